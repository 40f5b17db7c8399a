"""Owns reading: a member of a consumer group that never moves by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from shared.kafka import MIB, BrokerError, OutOfRange, Polled
from shared.kafka_connections import start, stop
from shared.kafka_headers import read_any_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shared.cluster import Cluster
    from shared.kafka import Place

LOOK_SECONDS = 0.2
FOREVER_MS = 10**12
"""A member that has nothing to read, or waits for its database, stays: the client would leave, and not come back."""


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
            max_poll_interval_ms=FOREVER_MS,
            request_timeout_ms=15_000,
            fetch_max_wait_ms=200,
            fetch_max_bytes=16 * MIB,
            max_partition_fetch_bytes=8 * MIB,  # a record over this would be skipped by the client
            retry_backoff_ms=100,
        )

    async def start(self, look: Callable[[], None] = lambda: None, stop: asyncio.Event | None = None) -> None:
        """Join the group, which may take as long as others take to be counted as gone; `look` is called meanwhile.

        Who is told to `stop` joins no longer.
        """
        self._client.subscribe([self._prefix + topic for topic in self._topics], listener=self)
        joining = asyncio.create_task(start(self._client, self._kafka))
        try:
            while not (joining.done() or (stop and stop.is_set())):
                look()
                await asyncio.wait({joining}, timeout=LOOK_SECONDS)
            if joining.done():
                await joining
        finally:
            joining.cancel()
            await asyncio.wait({joining}, timeout=LOOK_SECONDS)

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
