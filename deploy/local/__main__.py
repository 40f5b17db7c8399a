"""`python -m deploy.local up|down|status|demo`: the stack from a Makefile or a script.

Exit 1 with the reason on stderr. `demo` shows Kizuna on a stack of its own, or on the one that is up and then stays so.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.local import report, stack, standing
from deploy.local.plan import Plan, plan_of
from deploy.local.processes import StackError


def main() -> None:
    """Do what the first argument says."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="Kizuna on this machine.")
    parser.add_argument("command", choices=_COMMANDS)
    chosen = parser.parse_args().command
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped again
    try:
        _COMMANDS[chosen](plan_of(os.environ))
    except StackError as error:
        raise SystemExit(f"\n{error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _up(plan: Plan) -> None:
    print(report.urls(stack.up(plan)))


def _status(plan: Plan) -> None:
    standings = standing.status(plan)
    print(report.table(standings))
    if any(part.state not in {"ready", "external"} for part in standings):
        raise SystemExit(1)


def _demo(plan: Plan) -> None:
    keep = bool(os.environ.get("KEEP")) or bool(stack.running_parts(plan))
    stack.up(plan)
    try:
        shown = subprocess.run((str(Path(sys.executable).with_name("kizuna")), "demo"), check=False)
    finally:
        if not keep:
            stack.down(plan)
    if keep:
        print(f"The stack is still up; `make down` ends it.\n{report.urls(plan)}")
    sys.exit(shown.returncode)


_COMMANDS = {"up": _up, "down": stack.down, "status": _status, "demo": _demo}

if __name__ == "__main__":
    main()
