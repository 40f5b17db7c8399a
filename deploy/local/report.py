"""Owns what the local stack says on the terminal, and the file that it writes for other programs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from deploy.local import credentials
from deploy.local.credentials import write_private
from deploy.local.plan import ARCHIVE, SERVICES, variable
from deploy.local.programs import database_url, kafka

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from deploy.local.plan import Plan
    from deploy.local.standing import Standing


def env_file(plan: Plan) -> Path:
    """Return the place of the shell-sourceable description of the running stack."""
    return plan.folder / "env"


def write_env(plan: Plan, token: str, write_key: str) -> None:
    """Write where the running stack is and with what to call it; `sh` can source it, its owner alone can read it."""
    urls = {f"KIZUNA_{part.upper()}_URL": plan.url(part) for part in (*SERVICES, ARCHIVE, "inbox")}
    values = {
        **urls,
        "KIZUNA_WRITE_KEY": write_key,
        "KIZUNA_TOKEN": token,
        **kafka(plan),
        "DATABASE_URL": database_url(plan),
        "KIZUNA_PRIVATE_KEY_FILE": str(credentials.private_key_file(plan.folder)),
        **{variable(part): str(port) for part, port in plan.ports.items()},
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
    write_private(env_file(plan), "".join(lines))


def urls(plan: Plan) -> str:
    """Return what to open and what to do next."""
    lines = [f"  {part:<10} {plan.url(part)}" for part in plan.modules]
    hint = f"  . {env_file(plan)}   sets these addresses, a write key and a token in your shell"
    return "\n".join(["Kizuna is up:", *lines, "", hint])


def table(standings: Sequence[Standing]) -> str:
    """Return the state of every part, a line each."""
    lines = [f"  {part.name:<10} {part.state:<10} {part.where:<28} {part.note}" for part in standings]
    return "\n".join(line.rstrip() for line in lines)
