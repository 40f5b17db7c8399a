"""Owns the checking tools: installed apart, in `.cache/containers`, at the versions that the lock file here names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.sdks.install import CACHE, environment

_HOME = CACHE / "containers"


def install() -> None:
    """Install the tools unless that is done."""
    environment(Path(__file__).with_name("requirements.txt"), _HOME, "the tools that check containers")


def run(tool: str, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool in `folder`, seeing none of the variables that compose files may name."""
    command = [str(_HOME / "bin" / tool), *map(str, arguments)]
    seen = {
        name: value for name, value in os.environ.items() if not name.startswith(("KIZUNA_", "COMPOSE_", "DOCKER_"))
    }
    return subprocess.run(command, cwd=folder, env=seen, check=False, capture_output=True, text=True)
