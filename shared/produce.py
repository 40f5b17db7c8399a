"""Publishing with a promise: `publish` returns when all in-sync replicas have every record, or raises in time.

Records of one partition form a lane; while one batch is under way the next ones gather, so load makes batches bigger,
not slower. A producer that fails or hangs is given up and replaced (an idempotent client may wait for ever).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from shared.errors import NotReady
from shared.kafka import BATCH_BYTES, BrokerError, Producer, Record, partition_of
from shared.observability import PRODUCE_SECONDS, PRODUCERS_REBUILT

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger()

DEADLINE_SECONDS = 4.5
IN_FLIGHT_BYTES = 64 * 1024 * 1024
REBUILD_PAUSE_SECONDS = 0.5
RECORD_OVERHEAD = 100

__all__ = ["Publisher", "Record"]


@dataclass(slots=True)
class _Parcel:
    records: list[Record]
    size: int
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Lane:
    queue: deque[_Parcel] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Publisher:
    """One per process. `prefix` is put before every topic name."""

    def __init__(self, bootstrap: str, *, prefix: str = "", deadline: float = DEADLINE_SECONDS) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._deadline = deadline
        self._producer: Producer | None = None
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._partitions: dict[str, int] = {}
        self.in_flight = 0

    async def start(self) -> None:
        """Begin connecting in the background; `publish` waits for it within its deadline."""
        self._keeper = asyncio.create_task(self._keep_connected(), name="publisher")

    async def stop(self) -> None:
        """Send what is queued within the deadline, then let go of the broker."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        if tasks:
            await asyncio.wait(tasks, timeout=self._deadline)
        for task in [*tasks, self._keeper]:
            if task:
                task.cancel()
        if self._producer:
            await self._producer.stop()

    async def publish(self, records: Sequence[Record]) -> None:
        """Write all records, in order per key.

        Raises:
            NotReady: not acknowledged within the deadline, or too much is under way. Records may or may not have been
                written; sending them again with the same ids is safe.

        """
        size = _size(records)
        if self.in_flight and self.in_flight + size > IN_FLIGHT_BYTES:
            raise NotReady("Too much is waiting for the broker. Send again later.", code="overloaded")
        self.in_flight += size
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                await self._connected.wait()
                await asyncio.gather(*await self._enqueue(records))
        except (BrokerError, TimeoutError) as error:
            raise NotReady("The broker did not acknowledge in time. Send again.", code="not_persisted") from error
        finally:
            self.in_flight -= size
        PRODUCE_SECONDS.observe(time.monotonic() - began)

    async def ping(self) -> None:
        """Raise NotReady when the broker does not answer within two seconds or the producer is being replaced."""
        if self._producer is None or not self._connected.is_set():
            raise NotReady("No connection to the broker.")
        try:
            await asyncio.wait_for(self._producer.ping(), 2)
        except (BrokerError, TimeoutError, OSError) as error:
            raise NotReady("The broker does not answer.") from error

    async def _enqueue(self, records: Sequence[Record]) -> list[asyncio.Future[None]]:
        grouped: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            topic = self._prefix + record.topic
            count = self._partitions.get(topic) or await self._count(topic)
            grouped.setdefault((topic, partition_of(record.key or b"", count)), []).append(record)
        loop = asyncio.get_running_loop()
        waiting = []
        for place, group in grouped.items():
            parcel = _Parcel(group, _size(group), loop.create_future())
            parcel.done.add_done_callback(_retrieve)
            waiting.append(parcel.done)
            lane = self._lanes.setdefault(place, _Lane())
            lane.queue.append(parcel)
            if lane.task is None or lane.task.done():
                lane.task = asyncio.create_task(self._drive(place, lane))
        return waiting

    async def _count(self, topic: str) -> int:
        self._partitions[topic] = await self._require().partitions(topic)
        return self._partitions[topic]

    def _require(self) -> Producer:
        if self._producer is None:
            raise BrokerError("The producer is being replaced.")
        return self._producer

    async def _drive(self, place: tuple[str, int], lane: _Lane) -> None:
        while lane.queue:
            parcels: list[_Parcel] = []
            size = 0
            while lane.queue and (not parcels or size + lane.queue[0].size <= BATCH_BYTES):
                parcel = lane.queue.popleft()
                if not parcel.done.done():  # nobody waits for one that is done: its request has ended
                    parcels.append(parcel)
                    size += parcel.size
            if parcels:
                await self._send(place, parcels)

    async def _send(self, place: tuple[str, int], parcels: list[_Parcel]) -> None:
        records = [record for parcel in parcels for record in parcel.records]
        try:
            await asyncio.wait_for(self._require().send(*place, records), self._deadline)
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the waiters must hear of it
            log.warning("produce_failed", topic=place[0], partition=place[1], records=len(records), error=repr(error))
            self._broken.set()
            for parcel in parcels:
                if not parcel.done.done():
                    parcel.done.set_exception(BrokerError(repr(error)))
        else:
            for parcel in parcels:
                if not parcel.done.done():
                    parcel.done.set_result(None)

    async def _keep_connected(self) -> None:
        while True:
            try:
                self._producer = await Producer.connect(self._bootstrap, self._deadline - 1)
            except (BrokerError, OSError) as error:
                log.warning("broker_unreachable", error=repr(error))
                await asyncio.sleep(REBUILD_PAUSE_SECONDS)
                continue
            self._broken.clear()
            self._connected.set()
            await self._broken.wait()
            self._connected.clear()
            PRODUCERS_REBUILT.inc()
            old, self._producer = self._producer, None
            with contextlib.suppress(Exception):
                await old.stop()


def _size(records: Sequence[Record]) -> int:
    return sum(len(each.value or b"") + RECORD_OVERHEAD for each in records)


def _retrieve(future: asyncio.Future[None]) -> None:
    """Mark a late failure as seen: its waiter may have given up at the deadline."""
    if not future.cancelled():
        future.exception()
