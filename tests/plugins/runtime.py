"""A toy service on the real runtime: it writes down every event it is given and signals the count when evaluated."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import consuming
from shared.absorb import Due, DueAccount, Evaluated, Received, Urgency
from shared.cluster import Cluster
from shared.db import Database, execute, fetch
from shared.errors import BadEvent
from shared.events import Event, UsageRecorded
from shared.kafka import Record
from shared.kafka_admin import create_topics
from shared.produce import Publisher

METADATA = MetaData()
Table("effect", METADATA, Column("id", BigInteger, Identity()), Column("account", Text), Column("event_id", Text))
PARTITIONS = 4
TOPICS = ("usage.v1", "backfill.v1", "usage.v1.health.dlq")


@dataclass
class Toy:
    """Absorber and evaluator in one. `poison` makes an event fail; `slow` holds a transaction open."""

    topics: tuple[str, ...] = ("usage.v1",)
    types: frozenset[str] = frozenset({"kizuna.usage.recorded"})
    poison: Callable[[Event], bool] = lambda _: False
    slow: float = 0
    evaluated: list[str] = field(default_factory=list)

    def refuse(self, received: Received) -> BadEvent | None:
        return BadEvent("refused", "as told") if received.event.id.startswith("refuse") else None

    async def absorb(self, conn: AsyncConnection, received: Sequence[Received]) -> Sequence[Due]:
        if any(self.poison(each.event) for each in received):
            raise ValueError("poison")
        names = [each.event.subject for each in received], [each.event.id for each in received]
        await execute(
            conn, "insert into effect (account, event_id) select * from unnest($1::text[], $2::text[])", *names
        )
        await asyncio.sleep(self.slow)
        return [Due(each.event.subject, each.partition, Urgency.GRAVE) for each in received]

    async def evaluate(self, conn: AsyncConnection, accounts: Sequence[DueAccount], now: datetime) -> list[Evaluated]:
        self.evaluated += [each.account_id for each in accounts]
        return [Evaluated(each.account_id) for each in accounts]


def usage(account: str, event_id: str, *, backfill: bool = False) -> Event:
    moment = datetime.now(UTC)
    data = UsageRecorded(event="login", person_id="p1")
    return Event(event_id, "test", "kizuna.usage.recorded", account, moment, moment, data, backfill=backfill)


@pytest.fixture
async def toy_database(database_url: str) -> AsyncIterator[Database]:
    from shared.tables import runtime_tables  # noqa: PLC0415 - the metadata is filled once per process

    if "lease" not in METADATA.tables:
        runtime_tables(METADATA)
    database = Database(database_url)
    async with database.transaction() as conn:
        await conn.run_sync(METADATA.create_all)
    yield database
    await database.close()


@pytest.fixture
async def publisher(bootstrap_servers: str, topic_prefix: str) -> AsyncIterator[Publisher]:
    await create_topics(Cluster(bootstrap_servers), TOPICS, PARTITIONS, topic_prefix)
    publisher = Publisher(Cluster(bootstrap_servers), prefix=topic_prefix)
    await publisher.start()
    yield publisher
    await publisher.stop()


Running = Callable[..., Any]


@pytest.fixture
def running(toy_database: Database, bootstrap_servers: str, topic_prefix: str, publisher: Publisher) -> Running:
    """`async with running(toy) as runtime:` runs consumer, evaluation and relay of one replica."""

    @contextlib.asynccontextmanager
    async def run(toy: Toy, session_seconds: int = 2) -> AsyncIterator[consuming.Runtime]:
        settings: Any = SimpleNamespace(
            kafka=Cluster(bootstrap_servers),
            topic_prefix=topic_prefix,
            partitions=PARTITIONS,
            session_seconds=session_seconds,
            inbox_time_scale=1,
        )
        service = consuming.Service("health", toy, toy, lambda *_: None, lambda _: None)  # type: ignore[arg-type,return-value]  # no HTTP here
        runtime = consuming.wire(service, settings, toy_database)
        runtime.publisher = runtime.relay._publisher = publisher
        stop = asyncio.Event()
        tasks = [
            asyncio.create_task(runtime.consumer.run(stop)),
            asyncio.create_task(runtime.evaluation.run(stop, runtime.consumer.work)),
            asyncio.create_task(runtime.relay.run(stop)),
        ]
        try:
            yield runtime
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    return run


def record(event: Event, value: bytes | None = None) -> Record:
    from shared.events import encode_event  # noqa: PLC0415 - beside its only use

    topic = "backfill.v1" if event.backfill else "usage.v1"
    return Record(topic, event.subject.encode(), encode_event(event) if value is None else value)


async def effects(database: Database) -> list[str]:
    async with database.snapshot() as conn:
        return [row.event_id for row in await fetch(conn, "select event_id from effect order by id")]


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Poll an (async) condition until it holds, or fail."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.05)
