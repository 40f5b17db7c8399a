"""What is said with Kafka, whoever says it: records as they go in and come out, and where they lie.

The client, all of it, is in `kafka_producer.py`, `kafka_reader.py` and their neighbours alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1024 * 1024

BrokerError = KafkaError  # what the rest of the code catches without importing the client

Place = tuple[str, int]  # topic, partition


class Record(NamedTuple):
    """One message to send. Records of one key keep their order. Only a dead letter may be without key or value."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Polled(NamedTuple):
    """One message as it was read, untouched."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int


class OutOfRange(Exception):
    """The broker no longer (or not yet) has the offset that was asked for, at these places."""

    def __init__(self, places: dict[Place, int]) -> None:
        super().__init__(f"offsets out of range: {places}")
        self.places = places


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as Kafka's own clients compute it (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
