"""The archive on a real broker: every record of every topic in exactly one file, whatever happens to who writes it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from deploy.local.plan import APACHE, broker_kind
from shared.archive.archiver import Archiver, Limits, Origin
from shared.archive.heads import Head
from shared.cluster import Cluster
from shared.kafka import Polled, Record
from shared.kafka_admin import create_topics
from shared.kafka_producer import Producer
from tests.integration.archive.feeding import (
    PARTITIONS,
    TOPICS,
    Feed,
    NewArchiver,
    complete,
    count,
    exactly_once,
    names_in,
    records_in,
    values,
    woken,
)
from tests.plugins.runtime import until

if TYPE_CHECKING:
    from deploy.local.broker import Broker
    from shared.archive.store import Store

SESSION_SECONDS = 2
HOUR_MS = 3_600_000


async def test_every_topic_is_archived_as_it_is(
    archive: Store, feed: Feed, topic_prefix: str, new_archiver: NewArchiver
) -> None:
    hostile = [
        Record("usage.v1", b"a", b'{"id":"1"}', [("traceparent", b"00-1"), ("traceparent", b"00-2")]),
        Record("usage.v1.health.dlq", b"\xff\xfe", b"\x00\xff" * 3, [("reason", b"")]),
        Record("signals.v1", b"", b"", []),
        Record("backfill.v1", b"big", b"x" * 700_000, []),
    ]
    for record in hostile:
        await feed.producer.send(topic_prefix + record.topic, 1, [record])
    program = new_archiver("archive")
    await until(lambda: count(archive, len(hostile)))
    assert program.stop()
    found = {record.topic: record for record in await records_in(archive)}
    for record in hostile:
        read = found[record.topic]
        assert (read.key, read.value, list(read.headers)) == (record.key, record.value, list(record.headers))
        assert (read.partition, read.offset) == (1, 0)


async def test_it_goes_on_after_kill_nine(archive: Store, feed: Feed, new_archiver: NewArchiver) -> None:
    for round_ in range(2):
        program = new_archiver(f"archive{round_}")
        await feed.send(40)
        await until(lambda: count(archive, len(feed.sent) - 39))
        await feed.send(40)
        pid = program.pid()
        assert pid
        os.kill(pid, signal.SIGKILL)
    new_archiver("archive")
    exactly_once(await complete(archive, feed), feed)


async def test_two_replicas_and_a_third_that_comes_and_goes(
    archive: Store, feed: Feed, new_archiver: NewArchiver
) -> None:
    new_archiver("one")
    second = new_archiver("two")
    await feed.send(100)
    await until(lambda: count(archive, 50))
    third = new_archiver("three")
    await feed.send(100)
    assert second.stop()
    await feed.send(100)
    await until(lambda: count(archive, 250))
    third.stop()
    await feed.send(50)
    exactly_once(await complete(archive, feed), feed)


async def test_a_zombie_writes_nothing_twice_and_takes_nothing_away(
    archive: Store, feed: Feed, new_archiver: NewArchiver
) -> None:
    await woken(archive, feed, new_archiver)
    exactly_once(await complete(archive, feed), feed)


@pytest.mark.skipif(broker_kind(os.environ) == APACHE, reason="Apache Kafka forgets nothing: it is never empty again")
async def test_an_empty_broker_and_a_younger_one_lose_nothing_that_was_archived(
    archive: Store, broker: Broker, topic_prefix: str, new_archiver: NewArchiver
) -> None:
    for life in range(2):
        await create_topics(Cluster(broker.bootstrap_servers), [*TOPICS], PARTITIONS, topic_prefix)
        producer = await Producer.connect(Cluster(broker.bootstrap_servers), 5)
        feed = Feed(producer, topic_prefix)
        await feed.send(16)
        program = new_archiver(f"life{life}")
        await until(partial(count, archive, 16 * (life + 1)))
        await producer.stop()
        program.stop()
        broker.stop()
        broker.start()
    assert len({name.chain for name in await names_in(archive)}) == 2, "another cluster, another chain"
    assert sorted(Counter(values(await records_in(archive))).values()) == [2] * 16


async def test_files_end_with_their_hour_and_at_their_size(
    archive: Store, bootstrap_servers: str, topic_prefix: str
) -> None:
    archiver = Archiver(
        Origin(Cluster(bootstrap_servers), topic_prefix, SESSION_SECONDS), archive, Limits(3600, 2_000_000)
    )
    archiver._at = {("usage.v1", 0): Head("abc", 0)}

    def record(offset: int, hours: float, size: int = 10) -> Polled:
        return Polled("usage.v1", 0, offset, b"k", os.urandom(size), (), int(hours * HOUR_MS))

    times = [1.9, 1.99, 2.0, 1.9, 2.5]
    polled = [record(offset, hours) for offset, hours in enumerate(times)]
    polled += [record(len(times) + n, 2.6, 300_000) for n in range(12)]
    await archiver._keep(polled)
    await archiver._write([*archiver._open])
    names = await names_in(archive)
    assert [name.hour[-2:] for name in names[:2]] == ["01", "02"]
    assert [name.start for name in names[:2]] == [0, 2], "a clock that is behind does not tear an hour apart"
    assert len(names) > 2, "one that is large enough is written"
    assert [each.offset for each in await records_in(archive)] == [each.offset for each in polled]
