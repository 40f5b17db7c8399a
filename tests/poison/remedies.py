"""What an operator does about poison: mends a handler that fails on everything, and replays letters by their reason."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from deploy.local import programs, stack
from shared.consumer import FAILURES_IN_A_ROW
from tests.poison.judging import ask
from tests.poison.records import SOURCE, good

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deploy.local.plan import Plan
    from tests.plugins.e2e import Deployment

PATIENCE: Final = 40.0
TOPIC: Final = "customer.v1"
BROKEN: Final = "alter table fact rename to fact_away"
MENDED: Final = "alter table fact_away rename to fact"
RECORDED: Final = "select recorded_at from fact where event_id = any($1)"


def halted(plan: Plan, deployment: Deployment) -> Iterator[str]:
    """Let every event fail in health, then mend that. Yields what is wrong."""
    before = len(waiting(deployment, "absorb_failed"))
    events = [good(TOPIC, f"halted/{number}", f"halted-{number}") for number in range(4 * FAILURES_IN_A_ROW)]
    asyncio.run(ask(deployment, "health", BROKEN))
    try:
        deployment.post(events)
        if not came(lambda: "in a row" in str(deployment.ask("health", "/readyz").json())):
            yield "readiness did not name a run of failures"
        drained = len(waiting(deployment, "absorb_failed")) - before
        if drained >= FAILURES_IN_A_ROW:
            yield f"{drained} of {len(events)} events were drained into dead letters"
    finally:
        asyncio.run(ask(deployment, "health", MENDED))
    programs.service(plan, "health").stop()
    stack.up(plan)
    if not came(lambda: all(counted(deployment, each) or refused(deployment, each) for each in events)):
        yield "after the mend and a restart events are neither counted nor refused"
    replay(deployment, "absorb_failed", "--yes")
    if not came(lambda: all(counted(deployment, each) for each in events)):
        yield "after a replay not all events are counted"


def replayed(deployment: Deployment) -> Iterator[str]:
    """Replay what a replay mends, and what it does not: once each, whatever is asked twice. Yields what is wrong."""
    misplaced, bad = waiting(deployment, "wrong_partition"), waiting(deployment, "bad_json")
    for reason, letters, refusals in (("wrong_partition", misplaced, 0), ("bad_json", bad, len(bad))):
        foreseen = {"would_replay": len(letters), "still_refused": {reason: refusals} if refusals else {}}
        if not letters or replay(deployment, reason) != foreseen:
            yield f"{reason}: a dry run did not foresee {foreseen}"
        if waiting(deployment, reason) != letters:
            yield f"{reason}: a dry run changed something"
    yield from _mended(deployment, misplaced)
    replay(deployment, "bad_json", "--yes")
    if not came(lambda: waiting(deployment, "bad_json").keys() == bad.keys()):
        yield "bad_json: what is still bad does not wait again"
    for number, letter in waiting(deployment, "bad_json").items():
        if letter["value"] != bad[number]["value"] or letter["offset"] <= bad[number]["offset"]:
            yield f"bad_json: letter {number} is not the one that came back"
        if "bad_json" not in deployment.say("dlq", "show", str(number), "--service", "health"):
            yield f"bad_json: letter {number} is not shown with its reason"


def _mended(deployment: Deployment, misplaced: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Send misplaced events to where they belong, twice: each counts once, and as known since the replay."""
    began = datetime.now(UTC)
    if [replay(deployment, "wrong_partition", "--yes")["replayed"] for _ in range(2)] != [len(misplaced), 0]:
        yield "wrong_partition: not each letter was replayed once"
    ids = [letter["event_id"] for letter in misplaced.values()]
    if not came(lambda: all(counted(deployment, {"id": each, "source": SOURCE}) for each in ids)):
        yield "wrong_partition: what was replayed is not counted"
    rows = asyncio.run(ask(deployment, "health", RECORDED, ids))
    if len(rows) != len(ids) or any(row["recorded_at"] < began for row in rows):
        yield "wrong_partition: not each was counted once, as known since the replay"
    if replay(deployment, "wrong_partition", "--yes")["replayed"] or waiting(deployment, "wrong_partition"):
        yield "wrong_partition: letters are left"


def replay(deployment: Deployment, reason: str, *more: str) -> Any:
    """Replay health's letters by their reason; without `--yes` it is a dry run."""
    return json.loads(deployment.say("dlq", "replay", "--service", "health", "--reason", reason, "--json", *more))[
        "health"
    ]


def waiting(deployment: Deployment, reason: str) -> dict[int, dict[str, Any]]:
    """Return health's letters of that reason that wait, by id."""
    items = deployment.get("health", "/v1/dead-letters", reason=reason, limit=500)["items"]
    return {letter["id"]: letter for letter in items if letter["replayed_at"] is None}


def counted(deployment: Deployment, event: dict[str, Any]) -> bool:
    """Whether health has absorbed an event."""
    return deployment.counted("health", event)


def refused(deployment: Deployment, event: dict[str, Any]) -> bool:
    """Whether an event is among those that failed before health stopped."""
    return any(letter["event_id"] == event["id"] for letter in waiting(deployment, "absorb_failed").values())


def came(holds: Callable[[], bool]) -> bool:
    """Wait for something to hold; say whether it did within `PATIENCE`."""
    given_up = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > given_up:
            return False
        time.sleep(0.2)
    return True
