"""`python -m tests.containers`: all checks of containers; exit 1 when something is wrong, and what."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from deploy.local.progress import say
from tests.containers import tools
from tests.containers.checks import CHECKS
from tests.sdks.install import InstallError


def main() -> int:
    """Check this checkout and return the exit code."""
    root = Path(__file__).parents[2]
    try:
        tools.install()
    except InstallError as error:
        say("tools", str(error))
        return 1
    if not (shutil.which("kustomize") or shutil.which("kubectl")):
        say(
            "manifests", "rendered by tests/containers/render.py alone: neither kustomize nor kubectl is installed here"
        )
    wrong = 0
    for name, check in CHECKS.items():
        problems = check(root)
        wrong += len(problems)
        for problem in problems:
            say(name, problem)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
