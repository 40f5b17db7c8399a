"""Checks that manifests fit together: what one names is there in another, and what the services are told is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.jobs.secrets import make
from shared.service import FAREWELL_SECONDS
from tests.containers import environment
from tests.containers.render import Manifest, containers, name_of, template_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Container = dict[str, Any]

_SELECTORS: Final = {
    "Service": lambda spec: spec["selector"],
    "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
    "NetworkPolicy": lambda spec: spec["podSelector"].get("matchLabels", {}),
}
_SERVING: Final = {"Deployment", "StatefulSet"}
_FROM_THE_PROVIDER: Final = {"kizuna-alerts": {"slack_token"}, "kizuna-kafka": {"ca.crt", "username", "password"}}
"""What no program can make: it is added to the Secret by hand."""
_FILES: Final = ("_FILE", "_CAFILE")
"""What the name of a variable that names a file ends in."""


def misfits(manifests: Sequence[Manifest], image: Mapping[str, str], scratch: Path) -> list[str]:
    """Return what does not fit. `image` is the environment that the image itself sets, `scratch` an empty folder."""
    there = {name_of(each): each for each in manifests}
    make(scratch, "database.example:5432/kizuna")
    secrets = {f"kizuna-{each.name}": {file.name for file in each.iterdir()} for each in scratch.iterdir()}
    found: list[str] = []
    for manifest in manifests:
        problems = [*_selected(manifest, there), *_scaled(manifest, there)]
        if containers(manifest):
            problems += [*_named(manifest, there), *_claims(manifest, there)]
        for container in containers(manifest):
            problems += [*_files(manifest, container, secrets), *_told(manifest, container, there, image)]
        found += [f"{name_of(manifest)}: {each}" for each in problems]
    return found


def told(container: Container, there: Mapping[str, Manifest]) -> dict[str, str]:
    """Return the environment of a container, with ConfigMaps looked up; KeyError for what is not there."""
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        values |= there[f"ConfigMap/{source['configMapRef']['name']}"]["data"]
    for each in container.get("env", ()):
        key = each.get("valueFrom", {}).get("configMapKeyRef")
        values[each["name"]] = there[f"ConfigMap/{key['name']}"]["data"][key["key"]] if key else each["value"]
    return values


def _told(
    manifest: Manifest, container: Container, there: Mapping[str, Manifest], image: Mapping[str, str]
) -> Iterator[str]:
    try:
        given = told(container, there)
    except KeyError as missing:
        yield f"{missing.args[0]} is in no ConfigMap"
        return
    yield from environment.wrong(container["command"], image, given)
    claimed = _claimed(manifest)
    kept = {each["mountPath"] for each in container.get("volumeMounts", ()) if each["name"] in claimed}
    yield from environment.adrift(given, kept)


def _claimed(manifest: Manifest) -> dict[str, str]:
    """Return the claim behind each volume that outlives a pod; a StatefulSet makes them, here for its first replica."""
    made = (each["metadata"]["name"] for each in manifest["spec"].get("volumeClaimTemplates", ()))
    volumes = template_of(manifest)["spec"].get("volumes", ())
    named = {each["name"]: each.get("persistentVolumeClaim", {}).get("claimName") for each in volumes}
    return {name: f"{name}-{manifest['metadata']['name']}-0" for name in made} | {k: v for k, v in named.items() if v}


def _claims(manifest: Manifest, there: Mapping[str, Manifest]) -> Iterator[str]:
    made = {claim for each in there.values() if each["kind"] == "StatefulSet" for claim in _claimed(each).values()}
    for claim in sorted({*_claimed(manifest).values()} - made):
        yield f"nothing makes the claim {claim}"
    if manifest["kind"] == "StatefulSet":
        if f"Service/{manifest['spec']['serviceName']}" not in there:
            yield f"there is no Service {manifest['spec']['serviceName']}"
        if _claimed(manifest) and manifest["spec"].get("replicas", 1) > 1:
            yield "each replica has a volume of its own, and so an archive of its own"


def _named(manifest: Manifest, there: Mapping[str, Manifest]) -> Iterator[str]:
    pod = template_of(manifest)["spec"]
    if f"ServiceAccount/{pod.get('serviceAccountName')}" not in there:
        yield f"there is no ServiceAccount {pod.get('serviceAccountName')}"
    if manifest["kind"] in _SERVING and pod.get("terminationGracePeriodSeconds", 0) < 2 * FAREWELL_SECONDS:
        yield f"it may be killed before it has drained, which takes {FAREWELL_SECONDS:.0f} s"


def _files(manifest: Manifest, container: Container, secrets: Mapping[str, set[str]]) -> Iterator[str]:
    """Whether every file that a variable names is in the Secret, or is the token, that is mounted there."""
    volumes = {each["name"]: each for each in template_of(manifest)["spec"].get("volumes", ())}
    mounted = {each["mountPath"]: volumes.get(each["name"], {}) for each in container.get("volumeMounts", ())}
    for each in container.get("env", ()):
        folder, _, file = each.get("value", "").rpartition("/")
        if each["name"].endswith(_FILES) and file not in _brought(mounted.get(folder, {}), secrets):
            yield f"{each['name']}: no Secret brings {each['value']}"


def _brought(volume: Mapping[str, Any], secrets: Mapping[str, set[str]]) -> set[str]:
    """Return the files of a volume that holds a Secret or tokens."""
    secret = volume.get("secret", {}).get("secretName", "")
    tokens = {each["serviceAccountToken"]["path"] for each in volume.get("projected", {}).get("sources", ())}
    return secrets.get(secret, set()) | _FROM_THE_PROVIDER.get(secret, set()) | tokens


def _selected(manifest: Manifest, there: Mapping[str, Manifest]) -> Iterator[str]:
    if select := _SELECTORS.get(manifest["kind"]):
        wanted = select(manifest["spec"])
        if not any(wanted.items() <= _labels(each).items() for each in there.values()):
            yield f"nothing has the labels {wanted}"
    for each in manifest.get("spec", {}).get("podSelector", {}).get("matchExpressions", ()):
        for value in each["values"]:
            if not any(_labels(pod).get(each["key"]) == value for pod in there.values()):
                yield f"nothing has the label {each['key']}: {value}"


def _labels(manifest: Manifest) -> dict[str, str]:
    found: dict[str, str] = template_of(manifest).get("metadata", {}).get("labels", {})
    return found


def _scaled(manifest: Manifest, there: Mapping[str, Manifest]) -> Iterator[str]:
    if manifest["kind"] != "ScaledObject":
        return
    spec: dict[str, Any] = manifest["spec"]
    target = spec["scaleTargetRef"]["name"]
    deployment = there.get(f"Deployment/{target}")
    if not deployment:
        yield f"there is no Deployment {target}"
        return
    if "replicas" in deployment["spec"]:
        yield f"Deployment {target} says replicas, which would undo the scaling at every apply"
    config = there["ConfigMap/kizuna"]["data"]
    for trigger in spec["triggers"]:
        yield from _let_in(trigger, config, there)
    for trigger in (each["metadata"] for each in spec["triggers"] if each["type"] == "kafka"):
        if trigger.get("bootstrapServers") != config["KAFKA_BOOTSTRAP_SERVERS"]:
            yield "it asks another broker than the services do"
        if trigger.get("consumerGroup") != target:
            yield f"the group of {target} is called {target}"
        if spec.get("maxReplicaCount", 0) > int(config.get("KIZUNA_PARTITIONS", 0)):
            yield "more replicas than partitions have nothing to do"
        if not str(trigger.get("lagThreshold", "")).isdecimal():
            yield "lagThreshold is a number, written as a string"


def _let_in(trigger: Mapping[str, Any], config: Mapping[str, str], there: Mapping[str, Manifest]) -> Iterator[str]:
    """Whether who asks for the lag gets into the broker as the services do."""
    if trigger["type"] != "kafka":
        return
    encrypted = config.get("KAFKA_SECURITY_PROTOCOL", "").endswith("SSL")
    if (trigger["metadata"].get("tls") == "enable") != encrypted:
        yield "it asks the broker with TLS and the services without, or the other way round"
    login = trigger.get("authenticationRef", {}).get("name")
    if "KAFKA_SASL_MECHANISM" in config and f"TriggerAuthentication/{login}" not in there:
        yield f"it does not log in at the broker: there is no TriggerAuthentication {login}"
