"""Owns the rebuilding of a service of the local stack: stopped, its schema set aside, built anew, started again."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

import httpx

from deploy.local import programs
from deploy.local.plan import CONSUMERS, Plan, plan_of
from deploy.local.processes import StackError
from deploy.local.progress import say
from deploy.local.standing import readiness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE: Final = 60.0


def rebuild(service: str, *, set_aside: bool, plan: Plan | None = None) -> None:
    """Build the schema of a service anew from the archive and the topics; the service runs again afterwards.

    Raises StackError, naming the remedy, when there is no such service, the stack is down, the schema is in use or not
    empty, or the rebuild failed. What was set aside stays in the database under its new name.
    """
    plan = plan or plan_of(os.environ)
    if service not in CONSUMERS:
        raise StackError(f"There is nothing to rebuild for {service}: {', '.join(CONSUMERS)}")
    program = programs.service(plan, service)
    if program.pid() and not set_aside:
        raise StackError(
            f"{service} is running. `kizuna rebuild {service} --set-aside` stops it, keeps its present schema under "
            "another name, builds a new one and starts it again."
        )
    if set_aside:
        program.stop()
        say(service, "stopped")
        _run(*programs.migration(plan, "--service", service, "--set-aside"))
    _run(*programs.rebuild(plan, service))
    program.start()
    with httpx.Client(timeout=2) as client:
        program.await_ready(lambda: not readiness(client, plan.url(service)), _PATIENCE)
    say(service, plan.url(service))


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    if subprocess.run(command, env=environment, check=False).returncode:
        raise StackError(f"{' '.join(command[2:])} failed; what it said stands above.")
