"""What the runtime does when the world breaks: another cluster, cut connections, a replica that fell asleep."""

import asyncio
import os
import shutil
import signal
from typing import Any

import asyncpg
import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.protocol.metadata import MetadataRequest

from shared.cluster import Cluster
from shared.consuming import Runtime
from shared.db import Database, fetch
from shared.errors import NotReady
from shared.kafka import BrokerError, Record
from shared.kafka_admin import create_topics, forget_group, say_goodbye
from shared.kafka_producer import Producer
from shared.kafka_reader import Group, Reader
from shared.produce import Publisher
from tests.plugins.kafka import OwnBroker
from tests.plugins.runtime import PARTITIONS, TOPICS, Running, Toy, effects, record, until, usage


async def publish(publisher: Publisher, records: list[Record]) -> None:
    """Publish as clients do: again and again until it is acknowledged."""

    async def acknowledged() -> bool:
        try:
            await publisher.publish(records)
        except NotReady:
            return False
        return True

    await until(acknowledged, 30)


async def has(database: Database, *ids: str) -> None:
    async def all_there() -> bool:
        return set(ids) <= set(await effects(database))

    await until(all_there, 40)


async def test_another_cluster_is_reported_and_nothing_counts_twice(
    running: Running, publisher: Publisher, toy_database: Database, broker: OwnBroker
) -> None:
    async with running(Toy()):
        await publish(publisher, [record(usage("a", "e1")), record(usage("b", "e2"))])
        await has(toy_database, "e1", "e2")
        broker.stop()
        shutil.rmtree(broker.folder)
        broker.start()
        await create_topics(Cluster(broker.bootstrap_servers), TOPICS, PARTITIONS)
        await publish(publisher, [record(usage("a", "e1")), record(usage("a", "e3"))])
        await has(toy_database, "e3")
    assert sorted(await effects(toy_database)) == ["e1", "e2", "e3"]
    async with toy_database.snapshot() as conn:
        kinds = {row.kind for row in await fetch(conn, "select kind from incident")}
    assert kinds == {"another_cluster"}


async def test_a_frozen_broker_is_read_again_without_waiting_for_who_we_were(
    running: Running, publisher: Publisher, toy_database: Database, broker: OwnBroker
) -> None:
    async with running(Toy(), session_seconds=10) as runtime:
        await publish(publisher, [record(usage("a", "e1"))])
        await has(toy_database, "e1")
        pid = broker.program.pid()
        assert pid
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: runtime.consumer._membership._former)
        os.kill(pid, signal.SIGCONT)
        await publish(publisher, [record(usage("a", "e2"))])
        await has(toy_database, "e1", "e2")
        assert not runtime.consumer._membership._former


async def test_a_group_may_be_forgotten_and_its_members_read_on(
    bootstrap_servers: str, topic_prefix: str, publisher: Publisher
) -> None:
    """A sound broker forgets only a group without members; the embedded one forgets any, and lets them join anew."""
    del publisher  # which has made the topics
    kafka, group = Cluster(bootstrap_servers), Group(f"{topic_prefix}forgotten", 4)
    reader = Reader(kafka, group, TOPICS, topic_prefix)
    await reader.start()
    try:
        await until(lambda: reader.assigned)
        await forget_group(kafka, group.name)
        await asyncio.sleep(2)  # more than a heartbeat, by which a member learns that nobody knows it
        await until(lambda: reader.assigned, 20)
    finally:
        await reader.stop()

    async def forgotten() -> bool:
        return await forget_group(kafka, group.name)

    await until(forgotten, 20)


async def test_who_read_nothing_for_a_long_time_is_a_member_still(
    bootstrap_servers: str, topic_prefix: str, publisher: Publisher
) -> None:
    """A spare one, or one whose database is away: the client would leave, and join again only to read."""
    del publisher  # which has made the topics
    reader = Reader(Cluster(bootstrap_servers), Group(f"{topic_prefix}idle", 4), TOPICS, topic_prefix)
    await reader.start()
    try:
        await until(lambda: reader.assigned)
        before = reader.generation
        reader._client._subscription._last_fetch_ended -= 24 * 3600
        await asyncio.sleep(2)  # more than two heartbeats, at which the client looks
        assert reader.assigned
        assert reader.generation == before
    finally:
        await reader.stop()


async def test_a_member_that_others_said_goodbye_for_is_a_member_no_more(
    bootstrap_servers: str, topic_prefix: str, publisher: Publisher
) -> None:
    kafka, group = Cluster(bootstrap_servers), Group(f"{topic_prefix}group", 4)
    reader = Reader(kafka, group, TOPICS, topic_prefix)
    await reader.start()
    try:
        before = reader.generation
        for _ in range(2):  # whom the group does not know may leave, too
            await say_goodbye(kafka, group.name, _member(reader))
        await until(lambda: reader.generation >= before + 2)  # its heartbeat told it, and it joined anew
    finally:
        await reader.stop()


async def test_connections_that_break_are_waited_out(
    running: Running, publisher: Publisher, toy_database: Database, database_url: str
) -> None:
    async with running(Toy()):
        for number in range(30):
            await publish(publisher, [record(usage(f"a{number % 3}", f"e{number}"))])
            if number % 10 == 5:
                await _cut_connections(database_url)
        await has(toy_database, *(f"e{number}" for number in range(30)))
    assert len(await effects(toy_database)) == 30


async def test_a_replica_that_lost_its_partitions_writes_nothing_and_comes_back(
    running: Running, publisher: Publisher, toy_database: Database
) -> None:
    async with running(Toy()) as runtime:
        await publish(publisher, [record(usage("a", "e1"))])
        await has(toy_database, "e1")
        async with toy_database.transaction() as conn:  # somebody else claims everything
            await fetch(conn, "update lease set epoch = epoch + 1, owner = 'another' returning 1")
        await publish(publisher, [record(usage("a", "e2"))])
        await has(toy_database, "e2")
        assert await _owners(toy_database) == {_name(runtime)}
    assert await effects(toy_database) == ["e1", "e2"]


async def _cut_connections(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def _owners(database: Database) -> set[str]:
    async with database.snapshot() as conn:
        return {row.owner for row in await fetch(conn, "select distinct owner from lease")}


def _member(reader: Reader) -> str:
    coordinator: Any = reader._client._coordinator
    return str(coordinator.member_id)


def _name(runtime: Runtime) -> str:
    return runtime.leases.owner


async def test_a_connection_whose_peer_hung_up_is_closed_when_it_is_dropped(bootstrap_servers: str) -> None:
    """The client drops it, without closing it, where it sees that before the reader's task has (`_get_conn`)."""
    host, port = bootstrap_servers.split(":")
    link = await create_conn(host, int(port))
    transport, question = link._writer.transport, link.send(MetadataRequest([]))
    link._reader.feed_eof()
    assert not link.connected()
    del link
    assert transport.is_closing()
    with pytest.raises(BrokerError):
        await question


def test_a_connection_that_has_just_closed_is_the_brokers_trouble(bootstrap_servers: str) -> None:
    async def ask_again() -> None:
        producer = await Producer.connect(Cluster(bootstrap_servers), 3)
        try:
            await producer.ping()
            (link, *_) = producer._client.client._conns.values()
            link._writer.transport.abort()
            await asyncio.sleep(0)  # now the event loop of the services refuses to write
            with pytest.raises(BrokerError):
                link.send(MetadataRequest([]))
            await producer.ping()
        finally:
            await producer.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask_again())


async def test_a_reader_that_fetches_no_more_says_so(bootstrap_servers: str, topic_prefix: str) -> None:
    await create_topics(Cluster(bootstrap_servers), TOPICS, PARTITIONS, topic_prefix)
    reader = Reader(Cluster(bootstrap_servers), Group(f"{topic_prefix}toy", 4), TOPICS, topic_prefix)
    await reader.start()
    try:
        assert await reader.poll((), 0, 1) == []
        fetching = reader._client._fetcher.error_future  # type: ignore[union-attr] # started
        fetching.cancel()
        await asyncio.wait([fetching])
        with pytest.raises(BrokerError):
            await reader.poll((), 0, 1)
    finally:
        await reader.stop()
