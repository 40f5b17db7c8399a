"""Due accounts, dead letters and outbox: what the runtime keeps in the database."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import deadletters, due, outbox
from shared.absorb import Due, DueAccount, Evaluated, Urgency
from shared.db import Database, execute, fetch, fetch_one
from shared.deadletters import AROUND_BYTES, Letter
from shared.errors import BadEvent
from shared.evaluation import EvaluationLoop
from shared.kafka import Polled
from shared.kafka_admin import RECORD_BYTES
from shared.leases import Leases
from shared.outbox import Relay
from shared.produce import Publisher
from tests.plugins.runtime import usage

NOW = datetime(2026, 1, 22, 12, tzinfo=UTC)
PACE = due.Pace()


async def due_at(database: Database, account: str) -> datetime:
    async with database.snapshot() as conn:
        row = await fetch_one(conn, "select due_at from account_due where account_id = $1", account)
    assert row
    return row.due_at  # type: ignore[no-any-return]  # a row is Any


async def mark(database: Database, urgency: Urgency, now: datetime = NOW) -> None:
    async with database.transaction() as conn:
        await due.mark(conn, [Due("a", 0, urgency)], now, PACE)


async def look(database: Database, now: datetime, next_look: datetime | None = None) -> list[str]:
    async with database.transaction() as conn:
        taken = await due.take(conn, [0], now, 10)
        await due.settle(conn, [Evaluated(each.account_id, next_look) for each in taken], now, PACE)
    return [each.account_id for each in taken]


async def test_grave_facts_are_due_at_once_and_never_made_later(toy_database: Database) -> None:
    for urgency, at in (
        (Urgency.HISTORY, NOW + PACE.history_delay),
        (Urgency.USAGE, NOW + PACE.usage_delay),
        (Urgency.GRAVE, NOW),
        (Urgency.HISTORY, NOW),
    ):
        await mark(toy_database, urgency)
        assert await due_at(toy_database, "a") == at
    assert await look(toy_database, NOW) == ["a"]
    assert await look(toy_database, NOW + timedelta(days=999)) == []


async def test_usage_is_looked_at_once_a_pause_but_grave_facts_do_not_wait(toy_database: Database) -> None:
    await mark(toy_database, Urgency.USAGE)
    later = NOW + timedelta(seconds=2)
    assert await look(toy_database, later) == ["a"]
    await mark(toy_database, Urgency.USAGE, later)
    assert await due_at(toy_database, "a") == later + PACE.usage_pause
    await mark(toy_database, Urgency.GRAVE, later)
    assert await look(toy_database, later) == ["a"]


async def test_what_would_change_nothing_is_not_written(toy_database: Database) -> None:
    async def version() -> str:
        async with toy_database.snapshot() as conn:
            row = await fetch_one(conn, "select ctid::text as place from account_due")
        assert row
        return str(row.place)

    await mark(toy_database, Urgency.USAGE)
    before = await version()
    await mark(toy_database, Urgency.USAGE, NOW + timedelta(seconds=1))
    await mark(toy_database, Urgency.HISTORY)
    assert await version() == before
    await mark(toy_database, Urgency.GRAVE)
    assert await version() != before


async def test_while_records_wait_by_the_thousand_usage_waits_too_but_not_for_ever(toy_database: Database) -> None:
    await mark(toy_database, Urgency.USAGE)
    async with toy_database.transaction() as conn:
        await due.mark(conn, [Due("grave", 0, Urgency.GRAVE)], NOW, PACE)
    looks = []
    for waited in (PACE.usage_delay, PACE.usage_patience, PACE.usage_delay + PACE.usage_patience):
        async with toy_database.transaction() as conn:
            moment = NOW + waited
            taken = await due.take(conn, [0], moment, 10, usage_since=moment - PACE.usage_patience)
            looks.append({each.account_id for each in taken})
    assert looks == [{"grave"}, {"grave"}, {"grave", "a"}]


async def test_time_passing_makes_due_and_history_can_be_hurried(toy_database: Database) -> None:
    await mark(toy_database, Urgency.GRAVE)
    tomorrow = NOW + timedelta(days=1)
    assert await look(toy_database, NOW, tomorrow) == ["a"]
    assert await look(toy_database, tomorrow - timedelta(seconds=1)) == []
    assert await look(toy_database, tomorrow) == ["a"]
    await mark(toy_database, Urgency.HISTORY)
    async with toy_database.transaction() as conn:
        await due.hurry_history(conn, [0], NOW + timedelta(seconds=1))
    assert await look(toy_database, NOW + timedelta(seconds=1)) == ["a"]


async def test_an_account_that_cannot_be_evaluated_delays_no_other(
    toy_database: Database, publisher: Publisher
) -> None:
    class Picky:
        async def evaluate(
            self, conn: AsyncConnection, accounts: Sequence[DueAccount], now: datetime
        ) -> Sequence[Evaluated]:
            del conn, now
            if any(each.account_id == "bad" for each in accounts):
                raise ValueError("bad")
            return [Evaluated(each.account_id) for each in accounts]

    leases = Leases(toy_database, "me")
    await leases.claim([0], NOW)
    async with toy_database.transaction() as conn:
        await due.mark(conn, [Due(name, 0, Urgency.GRAVE) for name in ("bad", "good", "fine")], NOW, PACE)
    loop = EvaluationLoop(toy_database, leases, Picky(), Relay(toy_database, leases, publisher), PACE)
    assert await loop._round()
    async with toy_database.snapshot() as conn:
        rows = await fetch(conn, "select account_id, failures from account_due order by account_id")
        waiting = await fetch(conn, "select account_id from account_due where due_at < 'infinity'")
    assert [(row.account_id, row.failures) for row in rows] == [("bad", 1), ("fine", 0), ("good", 0)]
    assert [row.account_id for row in waiting] == ["bad"]


async def test_an_account_that_takes_longer_than_a_transaction_may_delays_no_other(
    toy_database: Database, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.leases.LONGEST_TRANSACTION", "300ms")

    class Slow:
        async def evaluate(
            self, conn: AsyncConnection, accounts: Sequence[DueAccount], now: datetime
        ) -> Sequence[Evaluated]:
            del now
            if any(each.account_id == "slow" for each in accounts):
                await execute(conn, "select pg_sleep(5)")
            return [Evaluated(each.account_id) for each in accounts]

    leases = Leases(toy_database, "me")
    await leases.claim([0], NOW)
    async with toy_database.transaction() as conn:
        await due.mark(conn, [Due(name, 0, Urgency.GRAVE) for name in ("slow", "good")], NOW, PACE)
    loop = EvaluationLoop(toy_database, leases, Slow(), Relay(toy_database, leases, publisher), PACE)
    with pytest.raises(DBAPIError):
        await loop._round()  # which may be the database's fault
    assert await loop._round()
    async with toy_database.snapshot() as conn:
        rows = await fetch(conn, "select account_id, failures, due_at < 'infinity' from account_due order by 1")
    assert [tuple(row) for row in rows] == [("good", 0, False), ("slow", 1, True)]


def letter(
    offset: int, code: str = "bad_json", value: bytes | None = b'{"recordedtime":"2020-01-01T00:00:00Z"}'
) -> Letter:
    record = Polled("usage.v1", 0, offset, b"a", value, (), 0)
    return Letter(record, BadEvent(code, "no \x00 \ud800 good"), event_id="e\x00", source="s")


async def write(database: Database, *letters: Letter) -> list[str]:
    async with database.transaction() as conn:
        return [each.error.code for each in await deadletters.write(conn, "health", "c", letters, NOW)]


async def replay(database: Database, reason: str | None) -> int:
    async with database.transaction() as conn:
        letters = await deadletters.candidates(conn, reason, None)
        await deadletters.replay(conn, letters, NOW)
    return len(letters)


async def test_a_letter_is_written_once_whatever_it_holds_and_replayed_once(toy_database: Database) -> None:
    letters = letter(1), letter(2, "too_old", b'{"id":"e2"}'), letter(3, value=None)
    assert sorted(await write(toy_database, *letters)) == ["bad_json", "bad_json", "too_old"]
    assert await write(toy_database, *letters, letter(4)) == [], "the same bytes at another place are the same letter"
    async with toy_database.transaction() as conn:
        listed = await deadletters.listing(conn, None, 0, 10)
        assert len(await deadletters.listing(conn, "too_old", 0, 10)) == 1
        assert len(await deadletters.listing(conn, None, listed[0]["id"], 10)) == 2
    assert [await replay(toy_database, reason) for reason in ("too_old", "too_old")] == [1, 0]
    assert await replay(toy_database, None) == 1  # the one without a value cannot be sent
    async with toy_database.transaction() as conn:
        rows = await fetch(conn, "select topic, value, headers from outbox order by id")
    assert [row.topic for row in rows] == ["usage.v1.health.dlq"] * 3 + ["usage.v1"] * 2
    assert NOW.isoformat().replace("+00:00", "Z").encode() in bytes(rows[-1].value)


@pytest.mark.parametrize(
    ("size", "omitted", "replayable"),
    [
        (RECORD_BYTES - AROUND_BYTES - 1, False, True),
        (RECORD_BYTES - AROUND_BYTES, False, False),
        (RECORD_BYTES - 1, False, False),
        (RECORD_BYTES, True, False),
        (2 * RECORD_BYTES, True, False),
    ],
)
async def test_a_letter_that_its_topic_may_refuse_holds_up_nobody_behind_it(
    toy_database: Database, publisher: Publisher, *, size: int, omitted: bool, replayable: bool
) -> None:
    noise = random.Random(size).randbytes(size)  # which no compression makes smaller; the key is a byte more
    await write(toy_database, letter(1, "too_large", noise))
    async with toy_database.transaction() as conn:
        await outbox.emit(conn, [(usage("behind", "a"), 0)], NOW)
        [copy, _] = await fetch(conn, "select value, headers from outbox order by id")
        [listed] = await deadletters.listing(conn, None, 0, 10)
        whole = await deadletters.whole(conn, listed["id"])
    assert bytes(copy.value) == (b"" if omitted else noise)
    assert (f"{size + 1} bytes" in copy.headers, listed["replayable"]) == (omitted, replayable)
    assert whole
    assert whole["value"]["hex"] == noise.hex(), "the database has all of it"
    leases = Leases(toy_database, "me")
    await leases.claim([0], NOW)
    assert await Relay(toy_database, leases, publisher).relay_once() == 2
    assert await replay(toy_database, None) == replayable
    assert await Relay(toy_database, leases, publisher).relay_once() == replayable, "what is replayed is taken, too"


async def test_a_letter_that_comes_back_from_a_replay_waits_again(toy_database: Database) -> None:
    await write(toy_database, letter(1))
    await replay(toy_database, None)
    later = letter(9, "bad_value", b'{"recordedtime":"2026-11-29T00:00:00Z"}')
    assert await write(toy_database, later) == ["bad_value"]
    async with toy_database.snapshot() as conn:
        [listed] = await deadletters.listing(conn, None, 0, 10)
    assert (listed["reason"], listed["offset"], listed["replayed_at"]) == ("bad_value", 9, None)
    assert await replay(toy_database, None) == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"a":\t1}\n', {"bytes": 9, "text": '{"a":\t1}\n'}),
        ("絆".encode(), {"bytes": 3, "text": "絆"}),
        (b"", {"bytes": 0, "text": ""}),
        (b"\xff\xfe", {"bytes": 2, "hex": "fffe"}),
        (b"\x1b[2J", {"bytes": 4, "hex": "1b5b324a"}),
        (None, None),
    ],
)
async def test_a_letter_is_shown_whole_and_never_acts_on_a_terminal(
    toy_database: Database, value: bytes | None, shown: object
) -> None:
    await write(toy_database, letter(1, value=value))
    async with toy_database.snapshot() as conn:
        [listed] = await deadletters.listing(conn, None, 0, 10)
        whole = await deadletters.whole(conn, listed["id"])
        assert whole
        assert whole["value"] == shown
        assert whole["key"] == {"bytes": 1, "text": "a"}
        assert await deadletters.whole(conn, listed["id"] + 1) is None


async def test_the_outbox_is_relayed_in_bites(toy_database: Database, publisher: Publisher) -> None:
    leases = Leases(toy_database, "me")
    await leases.claim([0], NOW)
    await write(toy_database, *(letter(n, value=b"%d" % n + b"x" * 1_500_000) for n in range(5)))
    relay = Relay(toy_database, leases, publisher)
    assert [await relay.relay_once() for _ in range(3)] == [3, 2, 0]
