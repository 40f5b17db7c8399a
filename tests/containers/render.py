"""Renders the kustomizations here, as kustomize does, so that they can be checked where kustomize is not.

It knows what these kustomizations use: resources, namespace, images, and patches that are merged by name.
"""

from __future__ import annotations

import shutil
import subprocess
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from pathlib import Path

Manifest = dict[str, Any]

_KNOWN: Final = {"apiVersion", "kind", "resources", "namespace", "patches", "images"}
_KEYS: Final = ("name", "mountPath", "containerPort", "topologyKey")
"""What items of a list are recognised by, when a patch brings the same list."""
_GONE: Final = {"$patch": "delete"}
"""What an item of a patch says that is to be taken out of the list."""
_WITHOUT_NAMESPACE: Final = {"Namespace"}


class RenderError(Exception):
    """A kustomization says something that cannot be done, or that is not known here."""


def render(folder: Path) -> list[Manifest]:
    """Return the manifests of a kustomization."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := set(said) - _KNOWN:
        raise RenderError(f"{folder.name}: {', '.join(sorted(unknown))} is not known to this renderer")
    found: list[Manifest] = []
    for name in said["resources"]:
        path = folder / name
        found += render(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for patch in said.get("patches", ()):
        found = _patched(found, yaml.safe_load((folder / patch["path"]).read_text()), patch.get("target"))
    for manifest in found:
        _place(manifest, said)
    return found


def by_kustomize(folder: Path) -> list[Manifest] | None:
    """Return the manifests as kustomize itself renders them; None where neither it nor kubectl is installed."""
    command = [["kustomize", "build"], ["kubectl", "kustomize"]]
    for words in command:
        if program := shutil.which(words[0]):
            done = subprocess.run([program, words[1], str(folder)], check=False, capture_output=True, text=True)
            if done.returncode:
                raise RenderError(f"{' '.join(words)}: {done.stderr.strip()}")
            return list(yaml.safe_load_all(done.stdout))
    return None


def name_of(manifest: Manifest) -> str:
    """Return what a manifest is called by: `Kind/name`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _patched(manifests: list[Manifest], patch: Manifest, target: dict[str, str] | None) -> list[Manifest]:
    def meant(manifest: Manifest) -> bool:
        return manifest["kind"] == target["kind"] if target else name_of(manifest) == name_of(patch)

    if not any(map(meant, manifests)):
        raise RenderError(f"a patch fits nothing: {target or name_of(patch)}")
    return [
        merged(each, patch | {"metadata": {**patch["metadata"], "name": each["metadata"]["name"]}})
        if meant(each)
        else each
        for each in manifests
    ]


def merged(base: Any, patch: Any) -> Any:
    """Return `base` with `patch` laid over it: mappings key by key, lists of named items item by item."""
    if isinstance(base, dict) and isinstance(patch, dict):
        both = base | {key: merged(base.get(key), value) for key, value in patch.items()}
        return {key: value for key, value in both.items() if value is not None}
    key = _key_of(base, patch)
    if key is None:
        return deepcopy(patch)
    theirs = {item[key]: item for item in base}
    ours = {item[key]: item for item in patch}
    gone = {name for name, item in ours.items() if _GONE.items() <= item.items()}
    if gone - theirs.keys():
        raise RenderError(f"a patch takes away what is not there: {', '.join(sorted(gone - theirs.keys()))}")
    changed = [merged(item, ours.get(name, {})) for name, item in theirs.items() if name not in gone]
    return changed + [deepcopy(item) for name, item in ours.items() if name not in theirs]


def _key_of(*lists: Any) -> str | None:
    if not all(isinstance(each, list) and all(isinstance(item, dict) for item in each) for each in lists):
        return None
    return next((key for key in _KEYS if all(key in item for each in lists for item in each)), None)


def _place(manifest: Manifest, said: dict[str, Any]) -> None:
    if "namespace" in said and manifest["kind"] not in _WITHOUT_NAMESPACE:
        manifest["metadata"]["namespace"] = said["namespace"]
    images = {each["name"]: f"{each['newName']}:{each['newTag']}" for each in said.get("images", ())}
    for container in containers(manifest):
        container["image"] = images.get(container["image"], container["image"])


def containers(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the containers of a workload in the order in which they start; none for anything else."""
    pod = template_of(manifest).get("spec", {})
    return [*pod.get("initContainers", ()), *pod.get("containers", ())]


def template_of(manifest: Manifest) -> dict[str, Any]:
    """Return what a workload makes its pods after; nothing for anything else."""
    spec = manifest.get("spec", {})
    found: dict[str, Any] = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    return found
