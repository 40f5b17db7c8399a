"""`status`: how each part of a deployment stands, asked from the parts themselves."""

import math
import re
from datetime import datetime
from typing import Any, Final

import httpx

from cli.client import environment, transport
from cli.environment import ARCHIVE
from cli.errors import NotReachable, Refused
from cli.output import end, show, table
from shared.clock import now

READY: Final = 200
TOLD: Final = ("replicas", "lag", "lag_seconds", "outbox", "outbox_oldest", "dead_letters_waiting", "last_evaluation")
COLUMNS: Final = (
    *(
        "service",
        "url",
        "state",
        "replicas>",
        "to read here>",
        "seconds behind>",
        "to send>",
        "oldest>",
        "dead letters>",
    ),
    *("last looked here>", "reason"),
)
ARCHIVE_TOLD: Final = {"lag": "kizuna_archive_unread_records", "held_seconds": "kizuna_archive_held_seconds"}
"""What the archive, which answers no questions, says in its metrics."""


def status() -> None:
    """Show which services answer, whether they are ready, and how each stands. Exit 3 when one is silent.

    Here: of the replica that answers; all else is the whole service's. Seconds behind: so old, at most, is the oldest
    record that was not read. Oldest: of the events that wait to be sent, and of the records that the archive holds and
    has not written.

    Example: kizuna status --json | jq '.services[] | select(.ready | not)'
    """
    states = [state_of(name) for name in environment().parts()]
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
            known = client.get("/metrics") if name == ARCHIVE else client.get("/v1/status", headers=headers)
        except httpx.TransportError:
            return state | {"reason": "does not answer"}
    state["ready"] = ready.status_code == READY
    state["reason"] = None if state["ready"] else ready.text[:300]
    if known.status_code != READY:
        return state
    if name == ARCHIVE:
        return state | {name: gauge(known.text, metric) for name, metric in ARCHIVE_TOLD.items()}
    told = known.json()
    return state | {name: told.get(name) for name in TOLD}


def gauge(metrics: str, name: str) -> float | None:
    """Return a number of a scrape, None when it is not there or unknown."""
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    value = float(found[1]) if found else math.nan
    if math.isnan(value):
        return None
    return int(value) if value.is_integer() else value


def row(state: dict[str, Any]) -> tuple[Any, ...]:
    """Return a line of the table."""
    words = {True: "ready", False: "not ready", None: "down"}
    replicas = state["replicas"] and len(state["replicas"])
    held = state.get("held_seconds")
    oldest = ago(state["outbox_oldest"]) if held is None else f"{held:,.1f} s"
    figures = state["lag"], state["lag_seconds"], state["outbox"], oldest
    kept = state["dead_letters_waiting"], ago(state["last_evaluation"])
    return state["service"], state["url"], words[state["ready"]], replicas, *figures, *kept, state["reason"]


def ago(moment: str | None) -> str | None:
    """Say how long ago a moment was."""
    return moment and f"{max(0.0, (now() - datetime.fromisoformat(moment)).total_seconds()):,.1f} s"
