"""Reading what lies on the topics: every record from the beginning, until as many are there as expected."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import Event, decode_event
from shared.kafka import describe

ReadTopic = Callable[..., Awaitable[list[Event]]]


@pytest.fixture
def read_topic(bootstrap_servers: str, topic_prefix: str) -> ReadTopic:
    """`await read_topic("usage.v1", 3)` returns its events, partition by partition, once there are at least 3."""

    async def read(topic: str, least: int, seconds: float = 15) -> list[Event]:
        name = topic_prefix + topic
        partitions = (await describe(bootstrap_servers, [name])).partitions[name]
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([TopicPartition(name, n) for n in range(partitions)])
            found: list[Event] = []
            async with asyncio.timeout(seconds):
                while len(found) < least:
                    batches = await consumer.getmany(timeout_ms=200)
                    found += [decode_event(m.value or b"") for batch in batches.values() for m in batch]
            for batch in (await consumer.getmany(timeout_ms=300)).values():
                found += [decode_event(m.value or b"") for m in batch]
            return found
        finally:
            await consumer.stop()

    return read
