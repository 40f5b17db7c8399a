"""Checks that manifests fit together: what one names is there in another, and what the services are told is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.jobs.secrets import make
from shared.service import FAREWELL_SECONDS
from tests.containers import environment
from tests.containers.render import Manifest, containers, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_SELECTORS: Final = {
    "Service": lambda spec: spec["selector"],
    "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
    "NetworkPolicy": lambda spec: spec["podSelector"].get("matchLabels", {}),
}
_FROM_THE_PROVIDER: Final = {"kizuna-alerts": {"slack_token"}}
"""What no program can make: it is added to the Secret by hand."""


def misfits(manifests: Sequence[Manifest], image: Mapping[str, str], scratch: Path) -> list[str]:
    """Return what does not fit. `image` is the environment that the image itself sets, `scratch` an empty folder."""
    there = {name_of(each): each for each in manifests}
    make(scratch, "database.example:5432/kizuna")
    secrets = {f"kizuna-{each.name}": {file.name for file in each.iterdir()} for each in scratch.iterdir()}
    found: list[str] = []
    for manifest in manifests:
        problems = [*_selected(manifest, there), *_scaled(manifest, there)]
        if containers(manifest):
            problems += [*_named(manifest, there), *_told(manifest, there, image), *_files(manifest, secrets)]
        found += [f"{name_of(manifest)}: {each}" for each in problems]
    return found


def told(manifest: Manifest, there: Mapping[str, Manifest]) -> dict[str, str]:
    """Return the environment of a workload's container, with ConfigMaps looked up; KeyError for what is not there."""
    [container] = containers(manifest)
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        values |= there[f"ConfigMap/{source['configMapRef']['name']}"]["data"]
    for each in container.get("env", ()):
        key = each.get("valueFrom", {}).get("configMapKeyRef")
        values[each["name"]] = there[f"ConfigMap/{key['name']}"]["data"][key["key"]] if key else each["value"]
    return values


def _told(manifest: Manifest, there: Mapping[str, Manifest], image: Mapping[str, str]) -> Iterator[str]:
    module = containers(manifest)[0]["command"][-1]
    try:
        given = told(manifest, there)
    except KeyError as missing:
        yield f"{missing.args[0]} is in no ConfigMap"
        return
    yield from environment.wrong(module, _own(image, module) | given)


def _own(image: Mapping[str, str], module: str) -> dict[str, str]:
    """Return what the image says to one service: it speaks to all of them at once."""
    prefix = f"KIZUNA_{module.rpartition('.')[2].upper()}_"
    return {name: value for name, value in image.items() if name.startswith(prefix)}


def _named(manifest: Manifest, there: Mapping[str, Manifest]) -> Iterator[str]:
    pod = manifest["spec"]["template"]["spec"]
    if f"ServiceAccount/{pod.get('serviceAccountName')}" not in there:
        yield f"there is no ServiceAccount {pod.get('serviceAccountName')}"
    if manifest["kind"] == "Deployment" and pod.get("terminationGracePeriodSeconds", 0) < 2 * FAREWELL_SECONDS:
        yield f"it may be killed before it has drained, which takes {FAREWELL_SECONDS:.0f} s"


def _files(manifest: Manifest, secrets: Mapping[str, set[str]]) -> Iterator[str]:
    """Whether every file that a variable names is in the Secret that is mounted there."""
    pod = manifest["spec"]["template"]["spec"]
    [container] = containers(manifest)
    names = {each["name"]: each["secret"]["secretName"] for each in pod.get("volumes", ()) if "secret" in each}
    mounted = {
        each["mountPath"]: names[each["name"]] for each in container.get("volumeMounts", ()) if each["name"] in names
    }
    for each in container.get("env", ()):
        folder, _, file = each.get("value", "").rpartition("/")
        if each["name"].endswith("_FILE"):
            secret = mounted.get(folder, "")
            if file not in secrets.get(secret, set()) | _FROM_THE_PROVIDER.get(secret, set()):
                yield f"{each['name']}: no Secret brings {each['value']}"


def _selected(manifest: Manifest, there: Mapping[str, Manifest]) -> Iterator[str]:
    if select := _SELECTORS.get(manifest["kind"]):
        wanted = select(manifest["spec"])
        if not any(wanted.items() <= _labels(each).items() for each in there.values()):
            yield f"nothing has the labels {wanted}"


def _labels(manifest: Manifest) -> dict[str, str]:
    found: dict[str, str] = manifest.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
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
    for trigger in (each["metadata"] for each in spec["triggers"] if each["type"] == "kafka"):
        if trigger.get("bootstrapServers") != config["KAFKA_BOOTSTRAP_SERVERS"]:
            yield "it asks another broker than the services do"
        if trigger.get("consumerGroup") != target:
            yield f"the group of {target} is called {target}"
        if spec.get("maxReplicaCount", 0) > int(config.get("KIZUNA_PARTITIONS", 0)):
            yield "more replicas than partitions have nothing to do"
        if not str(trigger.get("lagThreshold", "")).isdecimal():
            yield "lagThreshold is a number, written as a string"
