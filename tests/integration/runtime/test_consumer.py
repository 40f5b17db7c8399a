"""The promises of the runtime, against a real database and a real broker."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import consumer, deadletters
from shared.absorb import Due, Received
from shared.consumer import FAILURES_IN_A_ROW
from shared.db import Database, fetch
from shared.observability import REGISTRY
from shared.produce import Publisher
from tests.plugins.runtime import PARTITIONS, Running, Toy, effects, record, until, usage


async def test_events_take_effect_once_and_accounts_are_evaluated(
    running: Running, publisher: Publisher, toy_database: Database
) -> None:
    events = [usage(f"a{n % 7}", f"e{n}") for n in range(200)]
    async with running(toy := Toy()):
        await publisher.publish([record(each) for each in events + events[:50]])

        async def all_there() -> bool:
            return len(await effects(toy_database)) >= 200

        await until(all_there)
        await publisher.publish([record(each) for each in events])
        await publisher.publish([record(usage("a1", "last"))])

        async def last_there() -> bool:
            return "last" in await effects(toy_database)

        await until(last_there)
    found = await effects(toy_database)
    assert sorted(found) == sorted([each.id for each in events] + ["last"])
    assert set(toy.evaluated) == {f"a{n}" for n in range(7)}


async def test_metrics_tell_new_events_from_repeated_ones(running: Running, publisher: Publisher) -> None:
    def counted() -> tuple[float, float]:
        names = "kizuna_events_absorbed_total", "kizuna_events_repeated_total"
        absorbed, repeated = (REGISTRY.get_sample_value(name, {"topic": "usage.v1"}) or 0 for name in names)
        return absorbed, repeated

    before = counted()
    events = [record(usage(f"a{n}", f"e{n}")) for n in range(20)]
    async with running(Toy()):
        await publisher.publish(events + events[:5])
        await publisher.publish(events[:2])
        await until(lambda: sum(counted()) == sum(before) + 27)
    assert counted() == (before[0] + 20, before[1] + 7)


async def test_a_member_more_than_there_are_partitions_is_ready_and_stands_by(running: Running) -> None:
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(running(Toy())) for _ in range(PARTITIONS + 1)]
        consumers = [each.consumer for each in members]

        def dealt_out() -> bool:
            """Tell whether each has a partition of both topics, one has none, and all of them are well."""
            places = [len(each.assignment.places) for each in consumers if each.assignment]
            return sorted(places) == [0] + PARTITIONS * [2] and all(each.trouble is None for each in consumers)

        await until(dealt_out, 60)


async def test_a_group_that_is_never_formed_is_named(
    running: Running, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "FORMING_SECONDS", 0.0)
    async with running(Toy()) as runtime:
        await publisher.publish([record(usage("a", "e1"))])
        await until(lambda: runtime.consumer.trouble is None)
        assert runtime.consumer.assignment
        reader = runtime.consumer.assignment.reader
        await reader.on_partitions_revoked(set())  # as the client says when it joins anew, and then hears nothing
        await until(lambda: "has not been formed" in str(runtime.consumer.trouble))
        assert "no partitions" in str(await runtime._consumer_trouble())
        assert runtime.consumer._membership._asking, "the broker is asked to forget it"


async def test_order_is_kept_per_account(running: Running, publisher: Publisher, toy_database: Database) -> None:
    async with running(Toy()):
        for n in range(0, 100, 10):
            await publisher.publish([record(usage("a", f"{n + k:03}")) for k in range(10)])

        async def all_there() -> bool:
            return len(await effects(toy_database)) == 100

        await until(all_there)
    assert await effects(toy_database) == [f"{n:03}" for n in range(100)]


async def test_one_bad_record_becomes_one_dead_letter_and_its_neighbours_go_on(
    running: Running, publisher: Publisher, toy_database: Database
) -> None:
    good = [usage("a", "g1"), usage("a", "g2"), usage("a", "g3")]
    bad = [
        record(usage("a", "b1"), b"{not json"),
        record(usage("a", "refuse-1")),
        record(usage("a", "poison")),
        record(usage("a", "b2"))._replace(key=b"somebody-else"),
    ]
    async with running(Toy(poison=lambda event: event.id == "poison")):
        await publisher.publish([record(good[0]), bad[0], record(good[1]), bad[1], bad[2], bad[3], record(good[2])])

        async def settled() -> bool:
            return len(await effects(toy_database)) == 3 and len(await _letters(toy_database)) == 4

        await until(settled)

        async def relayed() -> bool:
            async with toy_database.snapshot() as conn:
                return not await fetch(conn, "select 1 from outbox")

        await until(relayed)
    assert await effects(toy_database) == ["g1", "g2", "g3"]
    assert sorted(await _letters(toy_database)) == ["absorb_failed", "bad_json", "refused", "wrong_key"]


async def test_a_handler_that_fails_on_everything_stops_the_consumer_and_drains_nothing(
    running: Running, publisher: Publisher, toy_database: Database
) -> None:
    events = [record(usage(f"a{n}", f"e{n}")) for n in range(40)]
    for attempt in range(2):  # a restart without a repair changes nothing
        async with running(Toy(poison=lambda _: True)) as runtime:
            await publisher.publish(events[attempt * 20 :][:20])
            await until(lambda: runtime.consumer.halted)
            assert "Nothing was skipped" in str(await runtime._consumer_trouble()), "readiness names the reason"
            assert "5 events in a row" in str(await runtime._consumer_trouble())
        assert await effects(toy_database) == []
    kept = len(await _letters(toy_database))
    assert kept < FAILURES_IN_A_ROW * 2, "those before the limit, each time"
    async with running(Toy()):

        async def all_there(count: int) -> bool:
            return len(await effects(toy_database)) == count

        await until(partial(all_there, 40 - kept))
        async with toy_database.transaction() as conn:
            letters = await deadletters.candidates(conn, "absorb_failed", None)
            await deadletters.replay(conn, letters, datetime.now(UTC))
        assert len(letters) == kept
        await until(partial(all_there, 40))
    assert sorted(await effects(toy_database)) == sorted(f"e{n}" for n in range(40))


async def test_events_that_fail_alone_are_found_among_many(
    running: Running, publisher: Publisher, toy_database: Database
) -> None:
    bad = {f"e{n}" for n in range(50, 1000, 200)}
    toy = Toy(poison=lambda event: event.id in bad)
    await publisher.publish([record(usage(f"a{n % 9}", f"e{n}")) for n in range(1000)])
    async with running(toy):

        async def settled() -> bool:
            return len(await effects(toy_database)) == 1000 - len(bad) and len(await _letters(toy_database)) == len(bad)

        await until(settled, 40)
    found = await effects(toy_database)
    for account in range(9):
        mine = [event for event in found if int(event[1:]) % 9 == account]
        assert mine == sorted(mine, key=lambda event: int(event[1:])), "in order, also where a batch was halved"


async def test_live_events_overtake_history(running: Running, publisher: Publisher) -> None:
    for start in range(0, 20000, 2500):
        await publisher.publish(
            [record(usage(f"a{n % 50}", f"h{n}", backfill=True)) for n in range(start, start + 2500)]
        )
    async with running(toy := Gated()) as runtime:
        await until(lambda: toy.batches)
        await publisher.publish([record(usage("a1", "live"))])
        await until(lambda: runtime.consumer.lag()["usage.v1"] == 1)
        toy.gate.set()
        await until(lambda: sum(len(each) for each in toy.batches) == 20001)
    assert all(each[0].startswith("h") for each in toy.batches if each != ["live"])
    assert toy.batches[1] == ["live"], "it waits for the history that is being written, not for what was read ahead"


class Gated(Toy):
    """Notes its batches, and lets the first one wait until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()

    async def absorb(self, conn: AsyncConnection, received: Sequence[Received]) -> Sequence[Due]:
        self.batches.append([each.event.id for each in received])
        await self.gate.wait()
        return await super().absorb(conn, received)


async def _letters(database: Database) -> list[str]:
    async with database.snapshot() as conn:
        return [row.code for row in await fetch(conn, "select code from dead_letter")]
