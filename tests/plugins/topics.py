"""Reading what lies on the topics: every record from the beginning, until as many are there as expected."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.cluster import Cluster
from shared.events import Event, decode_event
from shared.kafka_admin import describe
from shared.kafka_connections import stop

ReadTopic = Callable[..., Awaitable[list[Event]]]


@asynccontextmanager
async def onlooker(bootstrap_servers: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group that reads from the beginning what it is assigned.

    It is stopped by force, if need be: the client's own stop waits for ever when an assignment has just changed.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        request_timeout_ms=10_000,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop(consumer, consumer._client)


async def read_values(bootstrap_servers: str, topic: str, least: int, seconds: float = 15) -> list[bytes]:
    """Return the values of a topic, partition by partition, once there are at least so many."""
    partitions = (await describe(Cluster(bootstrap_servers), [topic])).partitions[topic]
    async with onlooker(bootstrap_servers) as consumer, asyncio.timeout(seconds):
        consumer.assign([TopicPartition(topic, n) for n in range(partitions)])
        found: list[bytes] = []
        while len(found) < least:
            found += _values(await consumer.getmany(timeout_ms=200))
        return found + _values(await consumer.getmany(timeout_ms=300))


@pytest.fixture
def read_topic(bootstrap_servers: str, topic_prefix: str) -> ReadTopic:
    """`await read_topic("usage.v1", 3)` returns its events, once there are at least 3."""

    async def read(topic: str, least: int, seconds: float = 15) -> list[Event]:
        return [
            decode_event(value) for value in await read_values(bootstrap_servers, topic_prefix + topic, least, seconds)
        ]

    return read


def _values(batches: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]) -> list[bytes]:
    return [message.value or b"" for batch in batches.values() for message in batch]
