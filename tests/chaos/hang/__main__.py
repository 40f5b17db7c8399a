"""`make hang`: every fault for SECONDS while CLIENTS keep posting, as a table; fails when a promise was not kept.

CASES names some of the faults, separated by commas; KAFKA the broker; LOGS a folder that gets the logs of all parts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.hang.case import Watched, watch
from tests.chaos.hang.judge import Promise, broken, table
from tests.chaos.hang.world import FAULTS, world


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    clients, seconds = int(os.environ.get("CLIENTS", "200")), float(os.environ.get("SECONDS", "60"))
    cases: list[Watched] = []
    with tempfile.TemporaryDirectory(prefix="hang-") as folder, world(Path(folder)) as running:
        try:
            for fault in os.environ.get("CASES", ",".join(FAULTS)).split(","):
                cases.append(asyncio.run(watch(running, fault, clients, seconds)))
                _say(cases[-1:], named=True)
        finally:
            if logs := os.environ.get("LOGS"):
                shutil.copytree(Path(folder) / "log", logs, dirs_exist_ok=True)
    _say(cases, named=False)
    return 1 if any(broken(each, Promise()) for each in cases) else 0


def _say(cases: list[Watched], *, named: bool) -> None:
    print(f"\n{table(cases, Promise())}", flush=True)  # noqa: T201 - what it is for
    for each in sorted(cases[-1].named) if named else ():
        print(f"  named by {each}", flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    sys.exit(main())
