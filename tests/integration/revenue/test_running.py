"""The whole service on a real broker: shuffled, repeated and historical snapshots end in the same bytes."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.revenue.tables import metadata
from shared.cluster import Cluster
from shared.db import fetch
from shared.events import TYPES, decode_event, encode_event
from shared.kafka import Record
from shared.kafka_admin import create_topics
from tests.plugins.revenue import Revenue, revenue_over
from tests.plugins.runtime import until
from tests.unit.revenue import crm6
from tests.unit.revenue.building import at, event, item, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from shared.events import Event
    from tests.plugins.postgres import ServiceDatabase

TOPICS = ("billing.v1", "backfill.v1", "revenue.v1", "billing.v1.revenue.dlq", "backfill.v1.revenue.dlq")
ACCOUNTS = {str(number) for number in range(190, 230)}
PARTITIONS = 12


@asynccontextmanager
async def running(revenue: Revenue) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(revenue.run(stop))
    await until(lambda: revenue.runtime.consumer.trouble is None)
    try:
        yield
    finally:
        stop.set()
        await task


async def post(revenue: Revenue, events: Sequence[Event]) -> None:
    await revenue.runtime.publisher.publish(
        [
            Record("backfill.v1" if one.backfill else "billing.v1", one.subject.encode(), encode_event(one))
            for one in events
        ]
    )


async def count(revenue: Revenue, sql: str) -> int:
    async with revenue.runtime.database.snapshot() as conn:
        return int((await fetch(conn, sql))[0][0])


async def answers(revenue: Revenue) -> list[bytes]:
    paths = ["/v1/retention?from=2022-06-01&to=2023-06-01", "/v1/fingerprint"]
    paths += [f"/v1/accounts/{account}/ledger?limit=500" for account in sorted(ACCOUNTS)]
    return [(await revenue.client.get(path)).content for path in paths]


async def test_shuffled_and_twice_is_the_same_bytes(
    service_database: ServiceDatabase, bootstrap_servers: str, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topics(Cluster(bootstrap_servers), TOPICS, PARTITIONS, topic_prefix)
    events = [one for one in crm6.events() if one.subject in ACCOUNTS]
    async with AsyncExitStack() as stack:
        revenue = await revenue_over(await service_database("revenue"), tmp_path, bootstrap_servers, stack)
        await revenue.learn(events)
        expected = await answers(revenue)
        assert b'"churn","amount":"-2400.00"' in b"".join(expected)
        async with revenue.runtime.database.transaction() as conn:
            await fetch(conn, "with a as (delete from snapshot), b as (delete from unseen) select 1")
        shuffled = events * 2
        random.Random(6).shuffle(shuffled)
        async with running(revenue):
            await post(revenue, shuffled)
            await until(lambda: _none_left(revenue, len(events)), 60)
            await until(lambda: _is_settled(revenue))
        assert await answers(revenue) == expected
        assert await count(revenue, "select count(*) from snapshot") == len(events)


async def _is_settled(revenue: Revenue) -> bool:
    """Whether what was known a while ago is known for good."""
    path = "/v1/retention?from=2022-06-01&to=2023-06-01"
    return (await revenue.client.get(f"{path}&known_at=2024-01-02")).content == (await revenue.client.get(path)).content


async def _none_left(revenue: Revenue, facts: int) -> bool:
    unseen = await count(revenue, "select count(*) from unseen")
    absorbed = await count(revenue, "select count(*) from snapshot")
    return absorbed == facts and unseen == 0 and await count(revenue, "select count(*) from outbox") == 0


async def test_a_live_snapshot_is_booked_at_once_and_told_to_others(
    service_database: ServiceDatabase, bootstrap_servers: str, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topics(Cluster(bootstrap_servers), TOPICS, PARTITIONS, topic_prefix)
    async with AsyncExitStack() as stack:
        revenue = await revenue_over(await service_database("revenue"), tmp_path, bootstrap_servers, stack)
        sent: list[Event] = []
        publish = revenue.runtime.publisher.publish

        async def watched(records: Sequence[Record]) -> None:
            sent.extend(decode_event(one.value or b"") for one in records if one.topic == "revenue.v1")
            await publish(records)

        revenue.runtime.publisher.publish = watched  # type: ignore[method-assign]  # watches the real one
        async with running(revenue):
            await post(revenue, [event("e1", at("2024-01-01"), snapshot(item("100")))])
            absurd = snapshot(item("99999999999999999999"))
            await post(revenue, [event("e2", at("2024-01-01"), absurd)])
            await until(lambda: sent)
            await until(lambda: count(revenue, "select count(*) from dead_letter"))
        assert [(one.type, one.subject) for one in sent] == [("kizuna.revenue.movement_booked", "a")]
        assert TYPES[sent[0].type].topic == "revenue.v1"


async def test_the_migration_makes_the_tables_that_the_code_declares(revenue: Revenue) -> None:
    own = {"snapshot", "unseen", "outlook", "movement"}
    only = {
        "include_name": lambda name, kind, _: kind != "table" or name in own,
        "include_object": lambda _, name, kind, *__: kind != "table" or name in own,
    }
    async with revenue.runtime.database.transaction() as conn:
        found = await conn.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts=only), metadata)
        )
    assert found == []
