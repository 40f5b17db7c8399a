"""One batch is read ahead, and what was read under a former assignment is not absorbed."""

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
    return ReadAhead(assignment, judge), assignment


def judge(polled: Polled, _: object) -> Received | Letter | None:
    if polled.value == b"bad":
        return Letter(polled, BadEvent("bad_json", "as told"))
    return None if polled.value == b"other" else Received(None, *polled[:3])  # type: ignore[arg-type] # not looked at


def record(offset: int, value: bytes = b"") -> Polled:
    return Polled("usage.v1", 0, offset, b"a", value, (), 0)


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


async def test_what_was_read_under_a_former_assignment_is_dropped() -> None:
    reading, assignment = ahead(log := Log([record(0)], [record(7)], [record(3)]))
    assert await reading.next()
    reading.begin()
    log.generation = assignment.prepared = 2
    assert await reading.next() is None
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


async def test_dropping_forgets_what_was_read_ahead() -> None:
    reading, _ = ahead(Log([record(0)], [record(1)]))
    reading.begin()
    await reading.drop()
    await reading.drop()
    found = await reading.next()
    assert found is not None
    assert found.offsets
