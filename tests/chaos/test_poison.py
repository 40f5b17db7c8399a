"""Poison: one dead letter each, neighbours unharmed, nothing doubled; and a consumer that swallows errors is caught."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from shared import deadletters
from shared.db import fetch
from shared.door import Door
from shared.events import event_key
from tests.plugins.e2e import clean_deployment
from tests.plugins.runtime import PARTITIONS, Running, Toy, until
from tests.poison.corpus import corpus
from tests.poison.judging import Findings, complaints, copies
from tests.poison.placing import place
from tests.poison.records import SOURCE
from tests.poison.remedies import halted, replayed
from tests.poison.siege import Siege

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from shared.absorb import Received
    from shared.db import Database
    from shared.deadletters import Letter
    from shared.kafka import Polled
    from tests.poison.placing import Placed


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_every_hostile_record_is_one_dead_letter_and_nothing_else_is_touched(tmp_path: Path) -> None:
    with clean_deployment(tmp_path) as (plan, deployment):
        siege = Siege(plan, deployment)
        assert siege.among_neighbours("a").wrong == []
        assert siege.again().wrong == []
        assert siege.under_fire("b").wrong == []
        assert list(replayed(deployment)) == []
        assert list(halted(plan, deployment)) == []


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
