"""Puts records where they are told to lie, whatever they are: no client that means well would write some of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from shared.cluster import Cluster
from shared.kafka import partition_of
from shared.kafka_admin import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.poison.records import Case

BATCH_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Placed:
    """A case and where it lies."""

    case: Case
    topic: str
    partition: int
    offset: int


class _Name(str):
    """A header name that holds the bytes which a text decoded with surrogate escapes came from."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return super().encode("utf-8", "surrogateescape")


async def place(bootstrap: str, cases: Iterable[Case], prefix: str = "") -> list[Placed]:
    """Write records, per partition in the order given; return where each lies once all are acknowledged."""
    cases = list(cases)
    topics = sorted({case.topic for case in cases})
    counts = (await describe(Cluster(bootstrap), [prefix + topic for topic in topics])).partitions
    lanes: dict[tuple[str, int], list[Case]] = {}
    for case in cases:
        count = counts[prefix + case.topic]
        partition = (partition_of(case.key or b"", count) + case.partitions_off) % count
        lanes.setdefault((case.topic, partition), []).append(case)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        return [
            placed
            for (topic, partition), lane in lanes.items()
            for placed in await _write(producer, prefix + topic, partition, lane)
        ]
    finally:
        await producer.stop()


async def _write(producer: AIOKafkaProducer, topic: str, partition: int, lane: Sequence[Case]) -> list[Placed]:
    placed: list[Placed] = []
    left = list(lane)
    while left:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, BATCH_BYTES)
        taken = 0
        while taken < len(left) and _append(batch, left[taken]):
            taken += 1
        first = await (await producer.send_batch(batch, topic, partition=partition))
        placed += [Placed(case, case.topic, partition, first.offset + n) for n, case in enumerate(left[:taken])]
        del left[:taken]
    return placed


def _append(batch: Any, case: Case) -> bool:
    headers = [(_Name(name), value) for name, value in case.headers]
    return batch.append(timestamp=case.timestamp_ms, key=case.key, value=case.value, headers=headers) is not None
