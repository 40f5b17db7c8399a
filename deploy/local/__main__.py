"""`python -m deploy.local up|down|status`: the stack from a Makefile or a script. Exit 1 with the reason on stderr."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from deploy.local import report, stack, standing
from deploy.local.plan import plan_of
from deploy.local.processes import StackError


def main() -> None:
    """Do what the first argument says."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="Kizuna on this machine.")
    parser.add_argument("command", choices=("up", "down", "status"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `up` can stop what it has started
    try:
        _run(parser.parse_args().command)
    except StackError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _run(command: str) -> None:
    plan = plan_of(os.environ)
    if command == "up":
        print(report.urls(stack.up(plan)))
    elif command == "down":
        stack.down(plan)
    else:
        standings = standing.status(plan)
        print(report.table(standings))
        if any(part.state not in {"ready", "external"} for part in standings):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
