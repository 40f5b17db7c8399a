"""The store keeps its bounds and its promises when many come at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import items, person_store, queries, store
from services.ingest.origin import EVENTS, Origin, Refusal
from shared import deadletters
from shared.db import Database, fetch
from shared.errors import NotReady
from tests.plugins.ingest import Ingest
from tests.plugins.runtime import until
from tests.plugins.topics import ReadTopic
from tests.unit.ingest.recordings import TRACE

START = datetime.now(UTC) - timedelta(days=5)  # too young for ingest itself, which prunes meanwhile


async def refuse(database: Database, numbers: range, when: datetime) -> None:
    origin = Origin(EVENTS, "s", when, TRACE)
    letters = [items.letter(Refusal(0, f"e{n}", "x", "-"), b"%d" % n, origin) for n in numbers]
    async with database.transaction() as conn:
        await store.refuse(conn, letters, when)


async def post_as_sdks_do(ingest: Ingest, path: str, body: Any) -> dict[str, Any]:
    """Post until it is answered with a 200; a busy machine may well say 503 before."""
    async with asyncio.timeout(60):
        while True:
            answer = await ingest.post(path, json=body)
            if answer.status_code == 200:
                return dict(answer.json())
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(int(answer.headers["retry-after"]))


async def kept(database: Database) -> list[str]:
    async with database.snapshot() as conn:
        return [row.event_id for row in await fetch(conn, "select event_id from dead_letter order by id")]


async def test_dead_letters_are_bounded_by_number_and_age(ingest: Ingest) -> None:
    database = ingest.app.database
    await refuse(database, range(3), START)
    for number in range(3, 10):
        await refuse(database, range(number, number + 1), START + timedelta(days=2))
    async with database.transaction() as conn:
        assert await store.prune(conn, START + timedelta(days=1), 100) == 3
    assert len(await kept(database)) == 7
    async with database.transaction() as conn:
        assert await store.prune(conn, START, 4) == 3
        assert await store.prune(conn, START, 4) == 0
    assert await kept(database) == ["e6", "e7", "e8", "e9"]


async def test_a_letter_that_comes_again_stands_anew(ingest: Ingest) -> None:
    database = ingest.app.database
    await refuse(database, range(1), START)
    async with database.transaction() as conn:
        [row] = await queries.replayable(conn, None, None, 0)
        [listed] = await deadletters.listing(conn, None, 0, 10)
        assert (listed["id"], listed["replayable"]) == (row.id, True)
        await queries.mark_replayed(conn, [row.id], START)
        assert await queries.replayable(conn, None, None, 0) == []
    await refuse(database, range(1), START + timedelta(days=1))
    async with database.transaction() as conn:
        assert [each.id for each in await queries.replayable(conn, "x", [row.id], 0)] == [row.id]
        assert await queries.replayable(conn, "y", None, 0) == []


async def test_no_transaction_is_half_done(ingest: Ingest) -> None:
    database = ingest.app.database

    async def work(conn: AsyncConnection) -> None:
        await person_store.remember(conn, [person_store.Membership("u", START, "a")])
        raise ValueError("our code is bad")

    with pytest.raises(ValueError, match="our code"):
        await store.transact(database, work)
    assert (await ingest.get("/v1/status"))["memberships"] == 0


async def test_a_database_that_is_not_there_is_told_apart() -> None:
    database = Database("postgresql://nobody:x@127.0.0.1:1/none")
    with pytest.raises(NotReady) as caught:
        await store.transact(database, store.live_keys)
    assert caught.value.code == "database_down"
    await database.close()


async def test_a_slow_transaction_is_not_waited_for(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "DEADLINE_SECONDS", 0.2)
    with pytest.raises(NotReady):
        await store.transact(ingest.app.database, lambda conn: fetch(conn, "select pg_sleep(3)"))


async def test_calls_that_cross_one_another_lose_nothing(ingest: Ingest, read_topic: ReadTopic) -> None:
    """Each person's event, group call and alias come at the same moment by connections of their own."""

    async def one(person: int) -> None:
        track = {"anonymousId": f"anon{person}", "event": "E", "messageId": f"t{person}"}
        calls = [
            ("/v1/track", track),
            ("/v1/group", {"userId": f"u{person}", "groupId": f"a{person}"}),
            ("/v1/alias", {"userId": f"u{person}", "previousId": f"anon{person}"}),
        ]
        await asyncio.gather(*(post_as_sdks_do(ingest, path, body) for path, body in calls))

    await asyncio.gather(*(one(person) for person in range(30)))

    async def none_waits() -> bool:
        return bool((await ingest.get("/v1/status"))["parked"] == 0)

    await until(none_waits)
    found = {event.id: event.subject for event in await read_topic("usage.v1", 30)}
    assert found == {f"t{person}": f"a{person}" for person in range(30)}
    told = {e.subject for e in await read_topic("customer.v1", 60) if e.type == "kizuna.person.aliased"}
    assert told == {f"a{person}" for person in range(30)}


async def test_batches_in_opposite_order_do_not_block_one_another(ingest: Ingest) -> None:
    calls = [
        {"type": kind, "userId": f"u{n}", "groupId": f"a{n}", "previousId": f"p{n}", "messageId": f"{kind}{n}"}
        for n in range(200)
        for kind in ("group", "alias")
    ]
    batches = [calls if turn % 2 else calls[::-1] for turn in range(8)]
    answers = await asyncio.gather(*(post_as_sdks_do(ingest, "/v1/batch", {"batch": each}) for each in batches))
    assert [answer["accepted"] for answer in answers] == [400] * 8
