"""Leases: whoever lost a partition can write nothing, not even after a long sleep."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from shared.db import Database, execute, fetch
from shared.errors import LeaseLost
from shared.inbox import KEPT_DAYS, Inbox, counted, week_of
from shared.leases import Leases
from shared.trouble import is_world_trouble

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def test_the_latest_claim_wins(toy_database: Database) -> None:
    zombie, owner = Leases(toy_database, "zombie"), Leases(toy_database, "owner")
    await zombie.claim([0, 1], NOW)
    await owner.claim([1, 2], NOW)
    async with toy_database.transaction() as conn:
        await zombie.check(conn, [0])
        await owner.check(conn, [1, 2])
        with pytest.raises(LeaseLost):
            await zombie.check(conn, [1])
        with pytest.raises(LeaseLost):
            await owner.check(conn, [3])


async def test_a_claim_waits_for_the_former_owners_transaction(toy_database: Database) -> None:
    former, owner = Leases(toy_database, "former"), Leases(toy_database, "owner")
    await former.claim([0], NOW)
    order: list[str] = []

    async def take_over() -> None:
        await owner.claim([0], NOW)
        order.append("claimed")

    async with toy_database.transaction() as conn:
        await former.check(conn, [0])
        claiming = asyncio.create_task(take_over())
        await asyncio.sleep(0.3)
        await execute(conn, "insert into effect (account, event_id) values ('a', 'e')")
        order.append("written")
    await claiming
    assert order == ["written", "claimed"]
    async with toy_database.transaction() as conn:
        with pytest.raises(LeaseLost):
            await former.check(conn, [0])


async def test_a_transaction_that_stands_still_lets_go_of_its_partitions(
    toy_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.leases.LONGEST_TRANSACTION", "200ms")
    zombie, owner = Leases(toy_database, "zombie"), Leases(toy_database, "owner")
    await zombie.claim([0], NOW)

    async def write_late() -> None:
        async with toy_database.transaction() as conn:
            await zombie.check(conn, [0])
            await owner.claim([0], NOW)  # waits for the transaction above it to end
            await execute(conn, "insert into effect (account, event_id) values ('a', 'e')")

    with pytest.raises(DBAPIError) as broken:
        await write_late()
    assert is_world_trouble(broken.value)
    assert owner.held == (0,)


async def test_a_released_lease_checks_no_more(toy_database: Database) -> None:
    leases = Leases(toy_database, "me")
    await leases.claim([0], NOW)
    leases.release()
    async with toy_database.transaction() as conn:
        with pytest.raises(LeaseLost):
            await leases.check(conn, [0])


async def test_the_inbox_claims_each_id_once_across_generations(toy_database: Database) -> None:
    inbox = Inbox()
    live, history = [bytes([n]) * 16 for n in range(5)], [bytes([n]) * 16 for n in range(5, 9)]
    for week in range(3):
        moment = NOW + timedelta(weeks=week)
        await inbox.open_generation(toy_database, moment)
        async with toy_database.transaction() as conn:
            claimed = await inbox.claim(conn, live, history, moment)
        assert claimed == ({*live, *history} if week == 0 else set())
    async with toy_database.snapshot() as conn:
        assert await counted(conn, live[0])
        assert not await counted(conn, b"?" * 16)


async def test_generations_are_dropped_whole_and_history_is_kept(toy_database: Database) -> None:
    inbox = Inbox()
    await inbox.open_generation(toy_database, NOW)
    async with toy_database.transaction() as conn:
        await inbox.claim(conn, [b"l" * 16], [b"h" * 16], NOW)
    later = NOW + timedelta(days=KEPT_DAYS + 15)
    await Inbox().open_generation(toy_database, later)
    async with toy_database.transaction() as conn:
        assert await Inbox().claim(conn, [b"l" * 16, b"h" * 16], [], later) == {b"l" * 16}


async def test_an_id_is_kept_for_at_least_thirty_days(toy_database: Database) -> None:
    inbox = Inbox()
    monday = datetime.combine(week_of(NOW), datetime.min.time(), UTC)
    for start in (monday, monday + timedelta(days=6, hours=23)):
        key = start.isoformat().encode()[:16]
        await inbox.open_generation(toy_database, start)
        async with toy_database.transaction() as conn:
            await inbox.claim(conn, [key], [], start)
        later = start + timedelta(days=KEPT_DAYS)
        await Inbox().open_generation(toy_database, later)
        async with toy_database.transaction() as conn:
            assert await inbox.claim(conn, [key], [], later) == set()


async def test_a_scaled_inbox_forgets_that_much_earlier_and_not_before(toy_database: Database) -> None:
    monday = datetime.combine(week_of(NOW), datetime.min.time(), UTC)
    minute = timedelta(days=7) / 10_080
    seen = []
    for moment in (monday, monday + 4 * minute, monday + 7 * minute):
        inbox = Inbox(time_scale=10_080)
        await inbox.open_generation(toy_database, moment)
        async with toy_database.transaction() as conn:
            seen.append(not await inbox.claim(conn, [b"l" * 16], [], moment))
    assert seen == [False, True, False]


async def test_a_dump_holds_up_only_the_dropping_of_generations(toy_database: Database) -> None:
    inbox, later = Inbox(), NOW + timedelta(days=KEPT_DAYS + 15)
    await inbox.open_generation(toy_database, NOW)
    async with toy_database.snapshot() as dump:
        await fetch(dump, "select count(*) from inbox")  # it keeps its share of every table until its end
        async with asyncio.timeout(5):
            await inbox.open_generation(toy_database, later)
            async with toy_database.transaction() as conn:
                assert await inbox.claim(conn, [b"l" * 16], [], later) == {b"l" * 16}
    old = f"inbox_{week_of(NOW):%Y%m%d}"
    for waited, there in ((timedelta(seconds=1), 1), (timedelta(minutes=2), 0)):
        await inbox.open_generation(toy_database, later + waited)
        async with toy_database.snapshot() as conn:
            found = await fetch(conn, "select 1 from pg_class where relname = $1", old)
        assert len(found) == there
