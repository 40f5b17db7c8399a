"""Kafka, spoken here and in its neighbours alone: an acknowledged producer, a reader that never moves by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.partitioner import murmur2

from shared.kafka_connections import START_SECONDS, start, stop
from shared.kafka_headers import read_any_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shared.cluster import Cluster

log = structlog.get_logger()

MIB = 1024 * 1024
REQUEST_BYTES = 4 * MIB
BATCH_BYTES = 512 * 1024
LOOK_SECONDS = 0.2

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


class Producer:
    """An acks=all, zstd producer over `create_batch`/`send_batch`. Idempotent where the broker can."""

    def __init__(self, client: AIOKafkaProducer) -> None:
        self._client = client
        self._unsent: set[asyncio.Future[list[object]]] = set()

    @classmethod
    async def connect(cls, kafka: Cluster, request_seconds: float) -> Producer:
        """Return a started producer. Raises BrokerError, saying why, when no broker can be had."""
        for idempotent in (True, False):
            client = AIOKafkaProducer(
                **kafka.client(),
                acks="all",
                compression_type="zstd",
                enable_idempotence=idempotent,
                max_request_size=REQUEST_BYTES,
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=int(request_seconds * 1000),
                retry_backoff_ms=50,
            )
            try:
                await asyncio.wait_for(start(client, kafka), START_SECONDS)
            except (KafkaError, TimeoutError) as error:
                await stop(client, client.client)
                if isinstance(error, KafkaConnectionError):
                    raise
                if not idempotent or isinstance(error, TimeoutError):
                    raise KafkaConnectionError(f"No answer from {kafka.bootstrap_servers}: {error!r}") from error
            except asyncio.CancelledError:
                await stop(client, client.client)
                raise
            else:
                return cls(client)
        raise AssertionError  # the loop returns or raises

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return len(await self._client.partitions_for(topic))

    def leader(self, topic: str, partition: int) -> int:
        """Return the broker that leads a partition, -1 while none is known."""
        found = self._client.client.cluster.leader_for_partition(TopicPartition(topic, partition))
        return -1 if found is None else int(found)

    async def send(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """Write records of one partition in order; return when all are acknowledged by all in-sync replicas."""
        waiting, batch = [], self._client.create_batch()
        for record in records:
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)) is None:
                waiting.append(await self._client.send_batch(batch, topic, partition=partition))
                batch = self._client.create_batch()
                batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
        waiting.append(await self._client.send_batch(batch, topic, partition=partition))
        self._unsent.add(sent := asyncio.gather(*waiting))
        try:
            await sent
        finally:
            self._unsent.discard(sent)

    async def ping(self) -> None:
        """Ask the cluster for its metadata; raises BrokerError when it does not answer."""
        await self._client.client.fetch_all_metadata()

    async def stop(self) -> None:
        """Give up what is not acknowledged yet, and stop, whatever state the client is in."""
        for sent in self._unsent:
            if not sent.done():
                sent.set_exception(BrokerError("The producer was given up before the broker acknowledged."))
        await stop(self._client, self._client.client)


class Group(NamedTuple):
    """A consumer group: its name, and after how many seconds of silence a member counts as gone."""

    name: str
    session_seconds: float


class Reader(ConsumerRebalanceListener):
    """A member of a consumer group with the range assignor. It reads only where it was told to by `seek`."""

    def __init__(self, kafka: Cluster, group: Group, topics: Sequence[str], prefix: str = "") -> None:
        self._prefix = prefix  # of the topics' names at the broker; callers never see it
        self.assigned: frozenset[Place] = frozenset()
        self.generation = 0  # counts assignments; a change means: claim and seek again
        self.forming_since: float | None = time.monotonic()  # None while the group is formed, and all have their share
        self._topics = topics
        self._kafka = kafka
        self._client = AIOKafkaConsumer(
            **kafka.client(),
            group_id=group.name,
            enable_auto_commit=False,
            auto_offset_reset="none",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=int(group.session_seconds * 1000),
            heartbeat_interval_ms=int(group.session_seconds * 200),
            request_timeout_ms=15_000,
            fetch_max_wait_ms=200,
            fetch_max_bytes=16 * MIB,
            max_partition_fetch_bytes=8 * MIB,  # a record over this would be skipped by the client
            retry_backoff_ms=100,
        )

    async def start(self, look: Callable[[], None] = lambda: None) -> None:
        """Join the group, which may take as long as others take to be counted as gone; `look` is called meanwhile."""
        self._client.subscribe([self._prefix + topic for topic in self._topics], listener=self)
        joining = asyncio.create_task(start(self._client, self._kafka))
        try:
            while not joining.done():
                look()
                await asyncio.wait({joining}, timeout=LOOK_SECONDS)
            await joining
        finally:
            joining.cancel()
            await asyncio.wait({joining})

    async def ping(self) -> None:
        """Ask the cluster for its metadata; raises BrokerError when it does not answer, or never did."""
        if not self._client._client.cluster.brokers():  # noqa: SLF001 - asked before it is connected, the client complains
            raise BrokerError("Not connected yet.")
        await self._client.topics()

    async def stop(self) -> str:
        """Leave the group, within `STOP_SECONDS`. Return our name in it, "" if there was none.

        Nobody knows whether we have left: the client only logs that it could not, and where generations begin with 0 it
        does not even try.
        """
        coordinator = self._client._coordinator  # noqa: SLF001 - the client tells nobody its name
        member = str(getattr(coordinator, "member_id", ""))
        await stop(self._client, self._client._client)  # noqa: SLF001 - there is no other way
        return member

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Stop reading when the client says that a rebalance begins, until the next assignment."""
        del revoked
        self.assigned = frozenset()
        self.generation += 1
        self.forming_since = time.monotonic()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Note a new assignment. Seeking happens in the reading loop, where failures are handled."""
        self.assigned = frozenset(self._place(tp) for tp in assigned)
        self.generation += 1
        self.forming_since = None

    def seek(self, place: Place, offset: int) -> None:
        """Read `place` from `offset` on. Does nothing when the place is no longer assigned."""
        with contextlib.suppress(IllegalStateError):
            self._client.seek(self._at(place), offset)

    async def earliest(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the first offset that the broker still has, per place."""
        found = await self._client.beginning_offsets([self._at(place) for place in places])
        return {self._place(tp): offset for tp, offset in found.items()}

    async def poll(self, places: Iterable[Place], seconds: float, limit: int) -> list[Polled]:
        """Return at most `limit` records of `places`, waiting at most `seconds` for the first.

        Raises:
            OutOfRange: the stored offset does not exist at the broker.
            BrokerError: the broker is in trouble.

        """
        fetcher = self._client._fetcher  # noqa: SLF001 - the client itself never asks, and waits for ever
        if fetcher is None or fetcher.error_future.done():
            raise KafkaConnectionError("The client does not fetch any more.")
        wanted = [self._at(place) for place in places if place in self.assigned]
        if not wanted:
            await asyncio.sleep(seconds)
            return []
        try:
            found = await self._client.getmany(*wanted, timeout_ms=int(seconds * 1000), max_records=limit)
        except NoOffsetForPartitionError:
            return []  # raced by a seek that has happened by now
        except UnicodeDecodeError as error:
            read_any_header()
            raise BrokerError("A header name is no UTF-8. Reading again, without minding it.") from error
        except OffsetOutOfRangeError as error:
            raise OutOfRange({self._place(tp): offset for tp, offset in error.args[0].items()}) from error
        cut = len(self._prefix)
        return [
            Polled(m.topic[cut:], m.partition, m.offset, m.key, m.value, m.headers, m.timestamp)
            for messages in found.values()
            for m in messages
        ]

    def end(self, place: Place) -> int | None:
        """Return the offset after the newest record of `place`, as the last fetch saw it; None before a fetch."""
        with contextlib.suppress(IllegalStateError, AssertionError):
            highwater = self._client.highwater(self._at(place))
            return None if highwater is None else int(highwater)
        return None

    async def commit(self, offsets: dict[Place, int]) -> None:
        """Tell the broker how far we are, for lag monitors. The truth is in our database, so failures are no matter."""
        with contextlib.suppress(CommitFailedError, IllegalStateError, KafkaError):
            await self._client.commit({self._at(place): offset for place, offset in offsets.items()})

    def _at(self, place: Place) -> TopicPartition:
        return TopicPartition(self._prefix + place[0], place[1])

    def _place(self, tp: TopicPartition) -> Place:
        return tp.topic[len(self._prefix) :], tp.partition
