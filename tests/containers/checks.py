"""Each check by name: given a checkout, it returns what is wrong with image, compose file or manifests there."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.containers import environment, tools
from tests.containers.dockerfile import stages
from tests.containers.manifests import misfits
from tests.containers.render import RenderError, by_kustomize, render
from tests.containers.replay import Replay, ReplayError
from tests.sdks.install import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CLUSTER: Final = "1.34"
_NO_SCHEMA: Final = {"ScaledObject", "TriggerAuthentication"}  # KEDA's own kinds; `misfits` looks at them
_SKIPPED: Final = {
    "CKV_K8S_43": "the digest is known to the registry that the image is pushed to, and to nobody before",
}
_LOOPBACK: Final = "127.0.0.1"
_IMAGE: Final = "kizuna:"


def dockerfile(root: Path) -> list[str]:
    """Hadolint, and the version of uv that the Makefile names."""
    file = root / "deploy" / "Dockerfile"
    found = tools.run("hadolint", "--no-color", file, folder=root).stdout.splitlines()
    [wanted] = re.findall(r"^UV := (\S+)$", (root / "Makefile").read_text(), re.MULTILINE)
    if f"uv=={wanted}" not in file.read_text():
        found.append(f"the Makefile installs uv {wanted}, the image another one")
    return found


def compose(root: Path) -> list[str]:
    """`docker-compose config`, ports on loopback alone, and what each service is told."""
    try:
        services = composed(root)
    except ValueError as error:
        return str(error).splitlines()
    image = stages(root / "deploy" / "Dockerfile")[-1].environment
    found = []
    for name, service in services.items():
        problems = [f"port {each['published']} is open to others" for each in service.get("ports", ())
                    if each.get("host_ip") != _LOOPBACK]  # fmt: skip
        if not service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory"):
            problems.append("it has no limit of memory")
        if service["image"].startswith(_IMAGE):
            command, given = service.get("entrypoint") or service["command"], service.get("environment", {})
            kept = {each["target"] for each in service.get("volumes", ()) if each["type"] == "volume"}
            problems += environment.wrong(command, image, given) + environment.adrift(given, kept)
        found += [f"{name}: {each}" for each in problems]
    return found


def composed(root: Path) -> dict[str, dict[str, Any]]:
    """Return the services of the compose file as Docker reads them. Raises ValueError with what is wrong."""
    done = tools.run("docker-compose", "--profile", "*", "config", "--format", "json", folder=root)
    if done.returncode:
        raise ValueError(done.stderr)
    services: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return services


def manifests(root: Path) -> list[str]:
    """Of the base and of production: what `_manifests` finds, said once."""
    folders = (root / "deploy" / "kustomize" / name for name in ("base", "production"))
    image = stages(root / "deploy" / "Dockerfile")[-1].environment
    return list(dict.fromkeys(line for folder in folders for line in _manifests(folder, image)))


def _manifests(overlay: Path, image: Mapping[str, str]) -> list[str]:
    """Rendering (as kustomize does, where it is), the cluster's schemas, and that all of it fits together."""
    try:
        rendered = render(overlay)
        theirs = by_kustomize(overlay)
    except RenderError as error:
        return [str(error)]
    found = [] if theirs is None or _sorted(theirs) == _sorted(rendered) else ["kustomize renders something else"]
    with TemporaryDirectory() as scratch:
        found += misfits(rendered, image, Path(scratch) / "secrets")
        known = Path(scratch) / "known.yaml"
        known.write_text(yaml.safe_dump_all(each for each in rendered if each["kind"] not in _NO_SCHEMA))
        done = tools.run("kubernetes-validate", "--strict", "--quiet", "-k", _CLUSTER, known, folder=overlay)
        if done.returncode:
            found += (done.stdout + done.stderr).splitlines()
    return found


def policies(root: Path) -> list[str]:
    """Checkov on the rendered manifests and the Dockerfile, less what is skipped for a reason."""
    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "Dockerfile").write_text((root / "deploy" / "Dockerfile").read_text())
        (place / "production.yaml").write_text(yaml.safe_dump_all(render(root / "deploy" / "kustomize" / "production")))
        skipped = ("--skip-check", ",".join(_SKIPPED))
        quiet = ("--quiet", "--compact", "--skip-download", "--output", "json")
        frameworks = ("--framework", "kubernetes", "dockerfile")
        done = tools.run("checkov", "--directory", ".", *frameworks, *skipped, *quiet, folder=place)
    reports = json.loads(done.stdout)
    if len(reports) != len(frameworks) - 1:
        return [f"checkov looked at {len(reports)} frameworks: {done.stdout[:300]}"]
    return [
        f"{each['resource']}: {each['check_id']} {each['check_name']}"
        for report in reports
        for each in report["results"]["failed_checks"]
    ]


def image(root: Path) -> list[str]:
    """The image's steps, replayed; then every command of the compose file, which must start and miss its settings."""
    with TemporaryDirectory(dir=scratch_folder()) as scratch:
        try:
            built = Replay(root, Path(scratch))
        except ReplayError as error:
            return [str(error)]
        before = built.files()
        with ThreadPoolExecutor(2) as pool:
            found = [line for line in pool.map(lambda each: _starts(built, *each), _EXPECTED.items()) if line]
        found += [f"{name} has no place in the image" for name in built.surplus()]
        if built.files() != before:
            found.append("running it writes into the image, whose root is read-only")
    return found


def _starts(built: Replay, command: str, expected: str) -> str | None:
    done = built.run(["python", "-m", *command.split()], {})
    if expected in done.stdout + done.stderr and "Traceback" not in done.stderr:
        return None
    return f"python -m {command} does not say {expected!r} in the image:\n{done.stdout}{done.stderr}"


_EXPECTED: Final = {  # what each command of the image says where nothing is set
    "services.ingest": "KIZUNA_INGEST_DATABASE_URL: ",
    "services.health": "KIZUNA_HEALTH_DATABASE_URL: ",
    "services.revenue": "KIZUNA_REVENUE_DATABASE_URL: ",
    "services.alerts": "KIZUNA_ALERTS_LINK_SECRET: ",
    "shared.archive": "KIZUNA_ARCHIVE_STORE: ",
    "shared.migrate": "_DB_PASSWORD is not set",
    "deploy.jobs.topics": "KAFKA_BOOTSTRAP_SERVERS: ",
    "deploy.jobs.secrets --help": "usage: python -m deploy.jobs.secrets",
    "cli --help": "Usage: ",
}


def scratch_folder() -> Path:
    """Return a folder on the file system of the cache, so that packages can be linked instead of copied."""
    folder = CACHE / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sorted(found: object) -> object:
    """Return manifests in an order that says nothing: lists of mappings are sets of named things."""
    if isinstance(found, dict):
        return {key: _sorted(value) for key, value in found.items()}
    if isinstance(found, list):
        items = [_sorted(each) for each in found]
        mappings = all(isinstance(each, dict) for each in items)
        return sorted(items, key=lambda each: json.dumps(each, sort_keys=True)) if mappings else items
    return found


CHECKS: Final[Mapping[str, Callable[[Path], list[str]]]] = {
    "Dockerfile": dockerfile,
    "compose": compose,
    "manifests": manifests,
    "policies": policies,
    "image": image,
}
