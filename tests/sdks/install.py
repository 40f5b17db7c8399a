"""Owns where the SDKs are installed: apart, in `.cache/sdks`, at the versions that the lock files here name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.progress import say

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache"
HOME = CACHE / "sdks"


class InstallError(Exception):
    """The packages cannot be installed; what uv or npm said about it stands above."""


def python() -> Path:
    """Install the SDKs for Python unless that is done; returns their interpreter."""
    return environment(HERE / "requirements.txt", HOME / "python", "the SDKs")


def environment(lock: Path, home: Path, what: str) -> Path:
    """Install what `lock` names into a virtual environment at `home` unless that is done; returns its interpreter."""
    interpreter = home / "bin" / "python"
    wanted = f"{sys.version}\n{lock.read_text()}"
    if not _is_done(home, wanted):
        say("python", f"installing {what}")
        uv = str(Path(sys.executable).with_name("uv"))
        _run([uv, "venv", "--clear", "--quiet", "--python", sys.executable, str(home)])
        _run([uv, "pip", "install", "--python", str(interpreter), "--require-hashes", "--requirement", str(lock)])
        _done(home, wanted)
    return interpreter


def node() -> Path | None:
    """Install the SDKs for Node unless that is done; returns the folder of modules, None where Node is missing."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        say("node", "node or npm is not installed here: the two SDKs for Node are left out")
        return None
    home, manifests = HOME / "node", [HERE / "node" / name for name in ("package.json", "package-lock.json")]
    wanted = "".join(each.read_text() for each in manifests)
    if not _is_done(home, wanted):
        say("node", "installing the SDKs")
        home.mkdir(parents=True, exist_ok=True)
        for each in manifests:
            shutil.copy(each, home)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], home)
        _done(home, wanted)
    return home / "node_modules"


def _is_done(home: Path, wanted: str) -> bool:
    stamp = home / ".complete"
    return stamp.exists() and stamp.read_text() == wanted


def _done(home: Path, wanted: str) -> None:
    (home / ".complete").write_text(wanted)


def _run(command: list[str], folder: Path = HERE) -> None:
    caches = {"UV_CACHE_DIR": str(CACHE / "uv"), "npm_config_cache": str(CACHE / "npm")}
    quiet = {"npm_config_update_notifier": "false", "UV_PYTHON_DOWNLOADS": "never"}
    try:
        subprocess.run(command, cwd=folder, env=os.environ | caches | quiet, stdout=sys.stderr, check=True)
    except subprocess.CalledProcessError as error:
        raise InstallError(f"{Path(command[0]).name} failed; see above. Is the package registry reachable?") from error
