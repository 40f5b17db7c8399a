"""`up`, `down`, `rebuild`: what `deploy.local` does with the local stack."""

from importlib import import_module
from typing import Annotated

import typer

from cli.errors import Refused
from cli.output import show


def up() -> None:
    """Start what of the local stack is not running yet: PostgreSQL, broker, services, inbox.

    Prints the URLs and writes .run/env, which every other command reads.
    """
    local = Local()
    try:
        plan = local.stack.up()
    except local.failure as error:
        raise Refused(str(error), code="not_started") from error
    urls = {part: plan.url(part) for part in plan.modules}
    show(urls, lambda out: out.print(local.report.urls(plan), soft_wrap=True))


def down() -> None:
    """Stop the local stack: ingest first, then what is under way is finished (30 s), then the rest."""
    local = Local()
    try:
        local.stack.down()
    except local.failure as error:
        raise Refused(str(error), code="not_drained") from error
    show({"down": True}, lambda out: out.print("The stack is down."))


def rebuild(
    name: Annotated[str, typer.Argument(help="health, revenue or alerts.", metavar="SERVICE")],
    *,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Stop the service and keep its present schema under another name.")
    ] = False,
) -> None:
    """Build a service's schema anew from the archive and the topics; nobody is told anything twice.

    Example: kizuna rebuild health --set-aside
    """
    local = Local()
    try:
        import_module("deploy.local.rebuilding").rebuild(name, set_aside=set_aside)
    except local.failure as error:
        raise Refused(str(error), code="not_rebuilt") from error
    show({"rebuilt": name}, lambda out: out.print(f"{name} is rebuilt and running."))


class Local:
    """The parts of `deploy.local` that are called, imported when they are: no other command needs what they need."""

    def __init__(self) -> None:
        self.stack = import_module("deploy.local.stack")
        self.report = import_module("deploy.local.report")
        self.failure: type[Exception] = import_module("deploy.local.processes").StackError
