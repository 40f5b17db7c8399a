"""Reading what lies on the topics: every record from the beginning, until as many are there as expected."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.cluster import Cluster
from shared.events import Event, decode_event
from shared.kafka import describe

ReadTopic = Callable[..., Awaitable[list[Event]]]


async def read_values(bootstrap_servers: str, topic: str, least: int, seconds: float = 15) -> list[bytes]:
    """Return the values of a topic, partition by partition, once there are at least so many."""
    partitions = (await describe(Cluster(bootstrap_servers), [topic])).partitions[topic]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, n) for n in range(partitions)])
        found: list[bytes] = []
        async with asyncio.timeout(seconds):
            while len(found) < least:
                found += _values(await consumer.getmany(timeout_ms=200))
        return found + _values(await consumer.getmany(timeout_ms=300))
    finally:
        await consumer.stop()


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
