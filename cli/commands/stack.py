"""`up`, `down`, `status`: the local stack is started and stopped by `deploy.local`; status asks the services themselves."""

from typing import Any

import httpx

from cli.client import environment, is_loopback
from cli.environment import PORTS
from cli.errors import NotReachable, Refused
from cli.output import end, show, table

READY = 200


def up() -> None:
    """Start what of the local stack is not running yet: PostgreSQL, broker, services, inbox.

    Prints the URLs and writes .run/env, which every other command reads.
    """
    # Imported late, here and below: the command line also runs where the local stack's dependencies are not installed.
    from deploy.local import report, stack  # noqa: PLC0415
    from deploy.local.processes import StackError  # noqa: PLC0415

    try:
        plan = stack.up()
    except StackError as error:
        raise Refused(str(error), code="not_started") from error
    show({part: plan.url(part) for part in plan.modules}, lambda out: out.print(report.urls(plan), soft_wrap=True))


def down() -> None:
    """Stop the local stack: ingest first, then what is under way is finished (30 s), then the rest."""
    from deploy.local import stack  # noqa: PLC0415
    from deploy.local.processes import StackError  # noqa: PLC0415

    try:
        stack.down()
    except StackError as error:
        raise Refused(str(error), code="not_drained") from error
    show({"down": True}, lambda out: out.print("The stack is down."))


def status() -> None:
    """Show which services answer, whether they are ready, and how much each has before it. Exit 3 when one is silent.

    Example: kizuna status --json | jq '.services[] | select(.ready | not)'
    """
    states = [state_of(name) for name in PORTS]
    columns = ("service", "url", "state", "to read>", "to send>", "reason")
    show({"services": states}, lambda out: out.print(table(columns, map(row, states))))
    silent = [state["service"] for state in states if state["ready"] is None]
    if silent:
        end(f"{', '.join(silent)} not running: run `make up`", NotReachable.exit_code)
    if unready := [state["service"] for state in states if not state["ready"]]:
        end(f"{', '.join(unready)} not ready: see the reasons and .run/log/", Refused.exit_code)


def state_of(name: str) -> dict[str, Any]:
    """Return whether a service is ready: true, false with the reason, or None when nobody answers."""
    present = environment()
    url = present.url(name)
    headers = {"authorization": f"Bearer {present.values.get('KIZUNA_TOKEN', '')}"}
    state: dict[str, Any] = {"service": name, "url": url, "ready": None, "lag": None, "outbox": None, "reason": None}
    with httpx.Client(base_url=url, timeout=5, trust_env=not is_loopback(url)) as client:
        try:
            ready = client.get("/readyz")
            known = client.get("/v1/status", headers=headers)
        except httpx.TransportError:
            return state | {"reason": "does not answer"}
    state["ready"] = ready.status_code == READY
    state["reason"] = None if state["ready"] else ready.text[:300]
    backlog = known.json() if known.status_code == READY else {}
    return state | {name: backlog.get(name) for name in ("lag", "outbox")}


def row(state: dict[str, Any]) -> tuple[Any, ...]:
    """Return a line of the table."""
    words = {True: "ready", False: "not ready", None: "down"}
    return state["service"], state["url"], words[state["ready"]], state["lag"], state["outbox"], state["reason"]
