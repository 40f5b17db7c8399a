"""Poison: one dead letter each, neighbours unharmed, nothing doubled; and a consumer that swallows errors is caught."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from shared import deadletters
from shared.db import fetch
from shared.door import Door
from shared.events import event_key
from tests.plugins.e2e import clean_deployment, eventually
from tests.plugins.runtime import PARTITIONS, Running, Toy, until
from tests.poison.corpus import corpus
from tests.poison.judging import Findings, ask, complaints, copies
from tests.poison.placing import place
from tests.poison.records import SOURCE
from tests.poison.siege import Siege

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.absorb import Received
    from shared.db import Database
    from shared.deadletters import Letter
    from shared.kafka import Polled
    from tests.plugins.e2e import Deployment
    from tests.poison.placing import Placed


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_every_hostile_record_is_one_dead_letter_and_nothing_else_is_touched(tmp_path: Path) -> None:
    with clean_deployment(tmp_path) as (plan, deployment):
        siege = Siege(plan, deployment)
        assert siege.among_neighbours("a").wrong == []
        assert siege.again().wrong == []
        assert siege.under_fire("b").wrong == []
        replayed(deployment)


def replayed(deployment: Deployment) -> None:
    """Replay what a replay mends, and what it does not: once each, whatever is asked twice, and nothing is lost."""
    bad, misplaced = waiting(deployment, "bad_json"), waiting(deployment, "wrong_partition")
    assert run(deployment, "bad_json") == {"would_replay": len(bad), "still_refused": {"bad_json": len(bad)}}
    assert run(deployment, "wrong_partition") == {"would_replay": len(misplaced), "still_refused": {}}
    assert (waiting(deployment, "bad_json"), waiting(deployment, "wrong_partition")) == (bad, misplaced)

    began = datetime.now(UTC)
    assert [run(deployment, "wrong_partition", "--yes")["replayed"] for _ in range(2)] == [len(misplaced), 0]
    for moved in misplaced.values():
        eventually(partial(deployment.counted, "health", {"id": moved["event_id"], "source": SOURCE}), 30)
    moment = "select recorded_at from fact where event_id = any($1)"
    rows = asyncio.run(ask(deployment, "health", moment, [each["event_id"] for each in misplaced.values()]))
    assert len(rows) == len(misplaced)
    assert all(row["recorded_at"] >= began for row in rows), "known as of the replay"
    assert run(deployment, "wrong_partition", "--yes")["replayed"] == 0
    assert waiting(deployment, "wrong_partition") == {}

    assert run(deployment, "bad_json", "--yes")["replayed"] == len(bad)
    eventually(lambda: waiting(deployment, "bad_json").keys() == bad.keys(), 30)
    after = waiting(deployment, "bad_json")
    assert all(after[letter]["offset"] > bad[letter]["offset"] for letter in bad)
    assert {letter: each["value"] for letter, each in after.items()} == {n: each["value"] for n, each in bad.items()}
    shown = deployment.say("dlq", "show", str(min(bad)), "--service", "health")
    assert "bad_json" in shown
    assert "partition" in shown


def run(deployment: Deployment, reason: str, *more: str) -> Any:
    said = deployment.say("dlq", "replay", "--service", "health", "--reason", reason, "--json", *more)
    return json.loads(said)["health"]


def waiting(deployment: Deployment, reason: str) -> dict[int, dict[str, Any]]:
    items = deployment.get("health", "/v1/dead-letters", reason=reason, limit=500)["items"]
    return {letter["id"]: letter for letter in items if letter["replayed_at"] is None}


class Careless(Door):
    """A twin with a bare `except: continue`: what cannot be read is passed over."""

    def judge(self, record: Polled, now: datetime) -> Received | Letter | None:
        try:
            return self._open(record, now)
        except Exception:  # noqa: BLE001 - the sabotage
            return None


@pytest.mark.parametrize("door", [Door, Careless])
@pytest.mark.usefixtures("publisher")
async def test_a_consumer_that_passes_over_errors_is_caught(
    running: Running, toy_database: Database, bootstrap_servers: str, topic_prefix: str, door: type[Door]
) -> None:
    cases = [case for case in corpus("toy") if case.topic == "usage.v1" and case.name != "usage of last month"]
    async with running(Toy()) as runtime:
        runtime.consumer.door = door("health", Toy(), PARTITIONS)
        placed = await place(bootstrap_servers, cases, topic_prefix)
        await until(partial(all_read, toy_database, placed), 40)
    found = Findings(
        {"health": await letters(toy_database)},
        {"health": await copies(bootstrap_servers, [f"{topic_prefix}usage.v1.health.dlq"])},
        {"health": await counted(toy_database)},
    )
    wrong = complaints(placed, found)
    refused = {each.case.name for each in placed if each.case.verdicts["health"] != "counted"}
    assert {line.partition(", health")[0] for line in wrong} == (refused if door is Careless else set()), wrong


async def all_read(database: Database, placed: Sequence[Placed]) -> bool:
    async with database.snapshot() as conn:
        rows = await fetch(conn, "select topic, partition, next_offset from position")
        unsent = await fetch(conn, "select 1 from outbox")
    read = {(row.topic, row.partition): row.next_offset for row in rows}
    ends = {(each.case.topic, each.partition): each.offset + 1 for each in placed}
    return not unsent and all(read.get(lane, 0) >= end for lane, end in ends.items())


async def letters(database: Database) -> dict[tuple[str, int, int], list[Any]]:
    async with database.snapshot() as conn:
        listed = await deadletters.listing(conn, None, 0, 500)
        whole = [await deadletters.whole(conn, each["id"]) or {} for each in listed]
    return {(each["topic"], each["partition"], each["offset"]): [each] for each in whole}


async def counted(database: Database) -> set[bytes]:
    async with database.snapshot() as conn:
        ids = [row.event_id for row in await fetch(conn, "select event_id from effect")]
    return {event_key(SOURCE, each) for each in ids}
