"""The outbox: sent in order, at most once by who keeps its partition, in pieces that the broker can take."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from shared import outbox
from shared.cluster import Cluster
from shared.db import Database, execute, fetch
from shared.errors import LeaseLost, NotReady
from shared.kafka import Record
from shared.leases import Leases
from shared.outbox import Relay
from shared.produce import Publisher
from tests.plugins.runtime import usage
from tests.plugins.topics import ReadTopic

NOW = datetime(2026, 1, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 3])
async def test_the_outbox_sends_in_order_and_forgets_what_was_acknowledged(
    toy_database: Database, publisher: Publisher, count: int
) -> None:
    leases = Leases(toy_database, "me")
    await leases.claim([0], NOW)
    async with toy_database.transaction() as conn:
        await outbox.emit(conn, [(usage("a", f"e{n}"), 0) for n in range(count)], NOW)
        await outbox.emit(conn, [(usage("b", "not-ours"), 1)], NOW)
    assert await Relay(toy_database, leases, publisher).relay_once() == count
    async with toy_database.snapshot() as conn:
        assert [row.partition for row in await fetch(conn, "select partition from outbox")] == [1]


class Displaced(Publisher):
    """Loses its partitions between what was acknowledged and hearing of it, as long as `leases` are given.

    More than `most` records are too many for its deadline.
    """

    leases: Leases | None = None
    most = 500

    async def publish(self, records: Sequence[Record]) -> None:
        if len(records) > self.most:
            raise NotReady("too slow", code="not_persisted")
        await super().publish(records)
        if self.leases:
            self.leases.release()


@pytest.fixture
async def displaced(publisher: Publisher, bootstrap_servers: str, topic_prefix: str) -> AsyncIterator[Displaced]:
    displaced = Displaced(Cluster(bootstrap_servers), prefix=topic_prefix)
    await displaced.start()
    yield displaced
    await displaced.stop()


@pytest.mark.parametrize("forgetful", [False, True])
async def test_what_was_acknowledged_is_not_sent_again_by_who_took_its_partition_anew(
    toy_database: Database, displaced: Displaced, read_topic: ReadTopic, *, forgetful: bool
) -> None:
    displaced.leases = leases = Leases(toy_database, "me")
    relay = Relay(toy_database, leases, displaced)
    async with toy_database.transaction() as conn:
        await outbox.emit(conn, [(usage("a", each), 0) for each in ("e0", "e1")], NOW)
    for _ in range(2):  # the second time there is nothing to publish
        await leases.claim([0], NOW)
        with pytest.raises(LeaseLost):
            await relay.relay_once()
    assert await relay.relay_once() == 0, "nothing is ours now"
    displaced.leases = None
    await leases.claim([0], NOW)
    async with toy_database.transaction() as conn:
        if forgetful:  # a database that lost its last second gives numbers again: these are other rows
            await execute(conn, "delete from outbox")
            await execute(conn, "alter sequence outbox_id_seq restart with 1")
        await outbox.emit(conn, [(usage("a", each), 0) for each in ("e2", "e3")], NOW)
    assert await relay.relay_once() == (2 if forgetful else 4)
    assert [event.id for event in await read_topic("usage.v1", 4)] == ["e0", "e1", "e2", "e3"]


async def test_a_broker_that_is_too_slow_for_many_gets_fewer_at_a_time(
    toy_database: Database, displaced: Displaced, read_topic: ReadTopic
) -> None:
    displaced.most = 3
    leases = Leases(toy_database, "me")
    await leases.claim([0], NOW)
    relay, stop = Relay(toy_database, leases, displaced), asyncio.Event()
    async with toy_database.transaction() as conn:
        await outbox.emit(conn, [(usage("a", f"e{n}"), 0) for n in range(20)], NOW)
    running = asyncio.create_task(relay.run(stop))
    assert [event.id for event in await read_topic("usage.v1", 20)] == [f"e{n}" for n in range(20)]
    stop.set()
    relay.wake.set()
    await running
