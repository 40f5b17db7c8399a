"""The command `kizuna`: all commands in one list, and what a failure prints and exits with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import typer

from cli.app import command, new_app
from cli.commands import access, alerts, deadletters, events, imports, operations, reads, stack, standing, story
from cli.errors import CommandError
from cli.output import JSON_WANTED, notes, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTION: Final = """Kizuna: health scores, an NRR ledger and risk signals from product events.

Exit codes: 0 done, 1 the service refused or found nothing, 2 wrong usage, 3 service not reachable.

Addresses and tokens come from the environment, else from .run/env, which `kizuna up` writes.
"""

COMMANDS: Final[dict[str, Callable[..., None] | typer.Typer]] = {
    "up": stack.up,
    "down": stack.down,
    "status": standing.status,
    "demo": story.demo,
    "keys": access.keys,
    "token": access.token,
    "send": events.send,
    "event": events.event,
    "import": imports.imports,
    "health": reads.health,
    "portfolio": reads.portfolio,
    "nrr": reads.nrr,
    "alerts": alerts.alerts,
    "parked": operations.parked,
    "dlq": deadletters.dlq,
    "fingerprint": operations.fingerprint,
    "rebuild": stack.rebuild,
}
"""In the order in which one needs them."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    JSON_WANTED.set("--json" in given)
    try:
        build()(args=[argument for argument in given if argument != "--json"], prog_name="kizuna")
    except CommandError as error:
        if JSON_WANTED.get():
            print_json({"code": error.code, "message": error.message})
        notes().print(error.message, style="red", soft_wrap=True, markup=False)
        sys.exit(error.exit_code)


def build() -> typer.Typer:
    """Return the app with all its commands."""
    app = new_app(DESCRIPTION, no_args_is_help=True)
    for name, run in COMMANDS.items():
        if isinstance(run, typer.Typer):
            app.add_typer(run, name=name, short_help=run.info.help)
        else:
            command(app, name)(run)
    return app


if __name__ == "__main__":
    main()
