"""Publishing with a promise: `publish` returns when all in-sync replicas have every record, or raises in time.

Records of one partition form a lane. Lanes are served in rounds, one under way at each broker: what comes meanwhile
gathers for the next, so load makes batches bigger, not slower, and who comes alone does not wait. A producer that fails
or hangs is given up and replaced (an idempotent client may wait for ever).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from shared.errors import NotReady
from shared.kafka import BrokerError, Record, partition_of
from shared.kafka_producer import Producer
from shared.lanes import Lane, Parcel, Part, size_of
from shared.observability import PRODUCE_SECONDS, PRODUCERS_REBUILT
from shared.pulse import until_silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.cluster import Cluster

log = structlog.get_logger()

DEADLINE_SECONDS = 4.5
IN_FLIGHT_BYTES = 64 * 1024 * 1024
REBUILD_PAUSE_SECONDS = 0.5

__all__ = ["Publisher", "Record"]


class Publisher:
    """One per process. `prefix` is put before every topic name."""

    def __init__(self, kafka: Cluster, *, prefix: str = "", deadline: float = DEADLINE_SECONDS) -> None:
        self._kafka = kafka
        self._prefix = prefix
        self._deadline = deadline
        self._producer: Producer | None = None
        self._trouble = ""  # why there is none
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._partitions: dict[str, int] = {}
        self._ready: dict[Lane, None] = {}  # with something to send, the longest waiting first
        self._flying: Counter[int] = Counter()  # lanes under way, by broker
        self._woken = False
        self.in_flight = 0

    async def start(self) -> None:
        """Begin connecting in the background; `publish` waits for it within its deadline."""
        self._keeper = asyncio.create_task(self._keep_connected(), name="publisher")

    async def stop(self) -> None:
        """Send what is queued within the deadline, then let go of the broker."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                while self._woken or self._sending():
                    if sending := self._sending():
                        await asyncio.wait(sending)
                    await asyncio.sleep(0)  # lets the next round begin
        for task in [*self._sending(), self._keeper]:
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
        size = size_of(records)
        if self.in_flight and self.in_flight + size > IN_FLIGHT_BYTES:
            raise NotReady("Too much is waiting for the broker. Send again later.", code="overloaded")
        self.in_flight += size
        began = time.monotonic()
        try:
            await self._publish(records)
        except (BrokerError, TimeoutError) as error:
            raise NotReady("The broker did not acknowledge in time. Send again.", code="not_persisted") from error
        finally:
            self.in_flight -= size
        PRODUCE_SECONDS.observe(time.monotonic() - began)

    async def ping(self) -> None:
        """Raise NotReady when the broker does not answer within two seconds or the producer is being replaced."""
        if self._producer is None or not self._connected.is_set():
            raise NotReady(f"No connection to the broker. {self._trouble}".rstrip())
        try:
            await asyncio.wait_for(self._producer.ping(), 2)
        except (BrokerError, TimeoutError, OSError) as error:
            raise NotReady("The broker does not answer.") from error

    async def _publish(self, records: Sequence[Record]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._deadline
        topics = {each.topic for each in records}
        if not self._connected.is_set() or not topics <= self._partitions.keys():
            async with asyncio.timeout_at(until):
                await self._prepare(topics)
        done = self._enqueue(records)
        timer = loop.call_at(until, _expire, done)  # at a third of the cost of asyncio.timeout, for every request
        try:
            await done
        finally:
            timer.cancel()

    async def _prepare(self, topics: set[str]) -> None:
        """Wait for the connection, and learn how many partitions the topics have."""
        await self._connected.wait()
        for topic in topics - self._partitions.keys():
            self._partitions[topic] = await self._require().partitions(self._prefix + topic)

    def _enqueue(self, records: Sequence[Record]) -> asyncio.Future[None]:
        """Put records into their lanes; the future is done when all are acknowledged, or any of them failed."""
        parcel = Parcel(asyncio.get_running_loop().create_future())
        parts: dict[tuple[str, int], Part] = {}
        for record in records:
            place = record.topic, partition_of(record.key or b"", self._partitions[record.topic])
            part = parts.get(place)
            if part is None:
                part = parts[place] = Part(parcel)
            part.records.append(record)
        parcel.left = len(parts)
        if not parts:
            parcel.done.set_result(None)
        for place, part in parts.items():
            lane = self._lanes.get(place) or self._open_lane(*place)
            part.size = size_of(part.records)
            lane.queue.append(part)
            if lane.task is None:
                self._ready[lane] = None
        self._wake()
        return parcel.done

    def _open_lane(self, topic: str, partition: int) -> Lane:
        name = self._prefix + topic
        lane = self._lanes[topic, partition] = Lane(name, partition, self._require().leader(name, partition))
        return lane

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._begin_rounds)

    def _begin_rounds(self) -> None:
        """Send what is ready to every broker that no round is under way at."""
        self._woken = False
        if self._broken.is_set():
            return  # the next producer begins
        for lane in [lane for lane in self._ready if not self._flying[lane.broker]]:
            del self._ready[lane]
            self._flying[lane.broker] += 1
            lane.task = asyncio.create_task(self._send(lane))

    async def _send(self, lane: Lane) -> None:
        parts, failure = lane.load(), None
        records = [each for part in parts for each in part.records]
        try:
            if records:
                async with asyncio.timeout(self._deadline):
                    await self._require().send(lane.topic, lane.partition, records)
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the waiters must hear of it
            log.warning("produce_failed", topic=lane.topic, partition=lane.partition, error=repr(error))
            self._broken.set()
            failure = BrokerError(repr(error))
        finally:
            lane.task = None
            self._flying[lane.broker] -= 1
            if lane.queue:
                self._ready[lane] = None
            self._wake()
        for part in parts:
            part.parcel.settle(failure)

    def _require(self) -> Producer:
        if self._producer is None:
            raise BrokerError("The producer is being replaced.")
        return self._producer

    def _sending(self) -> list[asyncio.Task[None]]:
        return [lane.task for lane in self._lanes.values() if lane.task]

    async def _keep_connected(self) -> None:
        while True:
            try:
                self._producer = await Producer.connect(self._kafka, self._deadline - 1)
            except (BrokerError, OSError) as error:
                self._trouble = str(error)
                log.warning("broker_unreachable", error=self._trouble)
                await asyncio.sleep(REBUILD_PAUSE_SECONDS)
                continue
            self._trouble = ""
            self._broken.clear()
            self._connected.set()
            self._wake()
            await self._until_given_up(self._producer)
            self._connected.clear()
            PRODUCERS_REBUILT.inc()
            old, self._producer = self._producer, None
            self._stopping = asyncio.create_task(old.stop())  # the next one does not wait for a goodbye

    async def _until_given_up(self, producer: Producer) -> None:
        """Wait until a batch failed, or the broker fell silent: also who has nothing to send must find it well."""
        ends = [asyncio.create_task(self._broken.wait()), asyncio.create_task(until_silent(producer.ping))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()


def _expire(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_exception(TimeoutError())
