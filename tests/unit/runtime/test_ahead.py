"""What is read ahead comes in order, news before history; what was read under a former assignment is not absorbed."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from shared.absorb import Received
from shared.ahead import ReadAhead
from shared.deadletters import Letter
from shared.errors import BadEvent
from shared.kafka import OutOfRange, Polled


class Log:
    """A reader that hands out what a test put there, a poll at a time."""

    def __init__(self, *polls: list[Polled] | Exception) -> None:
        self.generation = 1
        self.polls = list(polls)

    async def poll(self, places: tuple[str, ...], *_: object) -> list[Polled]:
        if not places or not self.polls:
            return []
        found = self.polls.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def ahead(log: Log) -> tuple[ReadAhead, Any]:
    assignment: Any = SimpleNamespace(reader=log, prepared=1, live=("usage.v1",), history=(), places=("usage.v1",))

    async def settle() -> bool:
        assignment.prepared = log.generation
        return True

    assignment.settle = settle
    return ReadAhead(assignment, judge), assignment


def judge(polled: Polled, _: object) -> Received | Letter | None:
    if polled.value == b"bad":
        return Letter(polled, BadEvent("bad_json", "as told"))
    return None if polled.value == b"other" else Received(None, *polled[:3])  # type: ignore[arg-type] # not looked at


def record(offset: int, value: bytes = b"") -> Polled:
    return Polled("usage.v1", 0, offset, b"a", value, (), 0)


def old(offset: int) -> Polled:
    return record(offset)._replace(topic="backfill.v1")


async def test_batches_come_in_order_judged_and_with_the_offsets_after_them() -> None:
    reading, _ = ahead(Log([record(n) for n in range(450)], [record(450, b"bad"), record(451, b"other")]))
    first = await reading.next()
    reading.begin()
    second = await reading.next()
    assert first is not None
    assert second is not None
    assert [each.offset for each in first.received] == list(range(450))
    assert (first.offsets, second.offsets) == ({("usage.v1", 0): 450}, {("usage.v1", 0): 452})
    assert ([each.record.offset for each in second.letters], second.received) == ([450], [])
    assert first.began <= second.began


@pytest.mark.parametrize("asked", [True, False], ids=["a batch was asked for", "it was settled at once"])
async def test_what_was_read_under_a_former_assignment_is_dropped(*, asked: bool) -> None:
    reading, _ = ahead(log := Log([record(0)], [record(7)], [record(3)]))
    assert await reading.next()
    reading.begin()
    await asyncio.sleep(0)
    log.generation = 2
    if asked:
        assert await reading.next() is None
    assert await reading.settle()
    found = await reading.next()
    assert found is not None
    assert [each.offset for each in found.received] == [3]


async def test_a_trouble_ahead_shows_when_its_batch_is_asked_for() -> None:
    reading, _ = ahead(Log([record(0)], OutOfRange({("usage.v1", 0): 1}), [record(5)]))
    assert await reading.next()
    reading.begin()
    with pytest.raises(OutOfRange):
        await reading.next()
    assert await reading.next()


async def test_history_that_is_gone_costs_no_live_record() -> None:
    gone = OutOfRange({("backfill.v1", 0): 1})
    reading, assignment = ahead(Log([record(0)], gone, [], gone))
    assignment.history = ("backfill.v1",)
    found = await reading.next()
    assert found is not None
    assert [each.offset for each in found.received] == [0]
    with pytest.raises(OutOfRange):
        await reading.next()


async def test_what_a_look_for_news_finds_out_of_range_is_raised_after_the_history_that_was_read() -> None:
    gone = OutOfRange({("usage.v1", 0): 1})
    reading, assignment = ahead(Log([], [old(0)], gone, [record(9)]))
    assignment.history = ("backfill.v1",)
    found = await reading.next()
    assert found is not None
    assert found.offsets == {("backfill.v1", 0): 1}
    reading.begin()
    await asyncio.sleep(0)
    assert len(assignment.reader.polls) == 1, "nothing is read on: it would be lost, and the client says it once"
    with pytest.raises(OutOfRange):
        await reading.next()
    found = await reading.next()
    assert found is not None
    assert [each.offset for each in found.received] == [9]


async def test_news_goes_before_the_history_that_was_read_and_once_for_each_batch_of_it() -> None:
    reading, assignment = ahead(Log([record(0)], [old(0)], [record(1)], [record(2)], [old(1)], []))
    assignment.history = ("backfill.v1",)
    found = []
    for _ in range(4):
        batch = await reading.next()
        assert batch is not None
        reading.begin()
        found.append([(each.topic, each.offset) for each in batch.received])
    live, history = "usage.v1", "backfill.v1"
    assert found == [[(live, 0), (live, 1)], [(history, 0)], [(live, 2)], [(history, 1)]]


@pytest.mark.parametrize("asked", [True, False], ids=["a batch was asked for", "it was settled at once"])
async def test_history_that_waited_is_not_absorbed_under_another_assignment(*, asked: bool) -> None:
    reading, assignment = ahead(log := Log([record(0)], [old(7)], [], [], [old(3)], []))
    assignment.history = ("backfill.v1",)
    assert await reading.next()
    log.generation = 2
    if asked:
        assert await reading.next() is None
    assert await reading.settle()
    found = await reading.next()
    assert found is not None
    assert [each.offset for each in found.received] == [3]


async def test_nothing_is_read_on_over_a_change_of_assignment() -> None:
    reading, assignment = ahead(Log([record(0)]))
    ended = asyncio.Event()

    async def idle(*_: object) -> list[Polled]:
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    async def settle() -> bool:
        assert ended.is_set()
        assignment.prepared = 2
        return True

    assignment.settle = settle
    assert await reading.next()
    assignment.reader = SimpleNamespace(generation=1, poll=idle)
    reading.begin()
    await asyncio.sleep(0)
    assignment.reader.generation = 2
    assert await reading.settle()


async def test_dropping_forgets_what_was_read_ahead() -> None:
    reading, _ = ahead(Log([record(0)], [record(1)]))
    reading.begin()
    await reading.drop()
    await reading.drop()
    found = await reading.next()
    assert found is not None
    assert found.offsets
