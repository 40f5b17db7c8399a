"""`up`, `down`, `status`: `deploy.local` starts and stops the stack; its state is asked from the services."""

from datetime import datetime
from importlib import import_module
from typing import Annotated, Any

import httpx
import typer

from cli.client import environment, transport
from cli.environment import PORTS
from cli.errors import NotReachable, Refused
from cli.output import end, show, table
from shared.clock import now

READY = 200
TOLD = ("replicas", "lag", "lag_seconds", "outbox", "outbox_oldest", "dead_letters_waiting", "last_evaluation")
COLUMNS = (
    *("service", "url", "state", "replicas>", "to read>", "seconds behind>", "to send>", "oldest>", "dead letters>"),
    *("last looked>", "reason"),
)


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


def status() -> None:
    """Show which services answer, whether they are ready, and how each stands. Exit 3 when one is silent.

    Seconds behind: so old, at most, is the oldest record that was not read. Oldest: of the events that wait to be sent.

    Example: kizuna status --json | jq '.services[] | select(.ready | not)'
    """
    states = [state_of(name) for name in PORTS]
    show({"services": states}, lambda out: out.print(table(COLUMNS, map(row, states))))
    silent = [state["service"] for state in states if state["ready"] is None]
    if silent:
        end(f"{', '.join(silent)} not running: run `make up`", NotReachable.exit_code)
    if unready := [state["service"] for state in states if not state["ready"]]:
        end(f"{', '.join(unready)} not ready: see the reasons and .run/log/", Refused.exit_code)


def state_of(name: str) -> dict[str, Any]:
    """Return how a service stands; `ready` is true, false with the reason, or None when nobody answers."""
    present = environment()
    url = present.url(name)
    headers = {"authorization": f"Bearer {present.values.get('KIZUNA_TOKEN', '')}"}
    state: dict[str, Any] = {"service": name, "url": url, "ready": None, "reason": None} | dict.fromkeys(TOLD)
    with httpx.Client(base_url=url, **transport(url)) as client:
        try:
            ready = client.get("/readyz")
            known = client.get("/v1/status", headers=headers)
        except httpx.TransportError:
            return state | {"reason": "does not answer"}
    state["ready"] = ready.status_code == READY
    state["reason"] = None if state["ready"] else ready.text[:300]
    told = known.json() if known.status_code == READY else {}
    return state | {name: told.get(name) for name in TOLD}


def row(state: dict[str, Any]) -> tuple[Any, ...]:
    """Return a line of the table."""
    words = {True: "ready", False: "not ready", None: "down"}
    replicas = state["replicas"] and len(state["replicas"])
    figures = state["lag"], state["lag_seconds"], state["outbox"], ago(state["outbox_oldest"])
    kept = state["dead_letters_waiting"], ago(state["last_evaluation"])
    return state["service"], state["url"], words[state["ready"]], replicas, *figures, *kept, state["reason"]


def ago(moment: str | None) -> str | None:
    """Say how long ago a moment was."""
    return moment and f"{max(0.0, (now() - datetime.fromisoformat(moment)).total_seconds()):,.1f} s"
