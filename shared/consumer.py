"""The consumer: reads batches and absorbs each in one transaction. Positions live in the database, beside the effects.

Per batch and transaction: leases checked, ids claimed in the inbox, facts written, accounts marked due, dead letters
stored, positions advanced. Meanwhile the next batch is read. The offset is committed to Kafka last, for lag monitors.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from shared import deadletters, due, positions
from shared.absorb import Urgency
from shared.ahead import BATCH_RECORDS, Batch, ReadAhead
from shared.assignment import HISTORY_TOPIC, Assignment
from shared.door import Door, letter_of
from shared.errors import BadEvent, LeaseLost, TooManyFailures
from shared.inbox import Inbox
from shared.kafka import BrokerError, OutOfRange, Polled
from shared.kafka_reader import Group, Reader
from shared.membership import Membership
from shared.observability import ABSORBED, BATCH_SECONDS, DEAD_LETTERS, LAG, REPEATED
from shared.pulse import while_it_answers
from shared.trouble import is_world_trouble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.absorb import Absorber, Log, Received
    from shared.cluster import Cluster
    from shared.db import Database
    from shared.deadletters import Letter
    from shared.due import Pace
    from shared.leases import Leases

log = structlog.get_logger()

CURRENT_EVERY_SECONDS = 0.5
FORMING_SECONDS = 30.0  # a rebalance takes as long as its slowest member's session
TROUBLE_SECONDS = 0.5
FAILURES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Where a service reads: broker, group, topic prefix, partitions that every topic must have, session time-out.

    `inbox_time_scale` is how much faster the inbox forgets.
    """

    service: str
    kafka: Cluster
    prefix: str
    partitions: int
    session_seconds: float
    inbox_time_scale: int = 1


class Consumer:
    """One member of the service's consumer group."""

    def __init__(self, source: Source, database: Database, leases: Leases, absorber: Absorber, pace: Pace) -> None:
        self._source = source
        self._database = database
        self._leases = leases
        self._absorber = absorber
        self._pace = pace
        self.door = Door(source.service, absorber, source.partitions)
        self._inbox = Inbox(source.inbox_time_scale)
        self._stop = asyncio.Event()
        self._failed_in_a_row = 0
        self._history_waits = False
        self._noted = 0.0
        self._group = Group(f"{source.prefix}{source.service}", source.session_seconds)
        self._membership = Membership(source.kafka, self._group.name)
        self.assignment: Assignment | None = None
        self.trouble: str | None = "starting"  # None while reading; shown by readiness
        self.halted = False
        self.beat = time.monotonic()
        self.work = asyncio.Event()  # set when something grave was absorbed

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop. Broker and database troubles are waited out; a run of failures halts for good."""
        self._stop = stop
        while not stop.is_set():
            try:
                await self._session(stop)
            except TooManyFailures as error:
                self.halted, self.trouble = True, error.message
                log.error("consumer_halted", reason=error.message)  # noqa: TRY400 - the cause was logged event by event
                await stop.wait()
            except LeaseLost as error:
                self.trouble = error.message
                log.warning("lease_lost", reason=error.message)
            except Exception as error:
                if not isinstance(error, BrokerError) and not is_world_trouble(error):
                    raise
                self.trouble = f"waiting: {error!r}"
                log.warning("consumer_waits", error=repr(error))
                self.beat = time.monotonic()
                await asyncio.sleep(TROUBLE_SECONDS)

    def lag(self) -> dict[str, int]:
        """Return how many records wait at the broker, by topic (as of the last fetch)."""
        return self.assignment.lag() if self.assignment else {}

    def is_behind(self) -> bool:
        """Tell whether more live records wait than one batch takes; history may wait for as long as it likes."""
        return sum(records for topic, records in self.lag().items() if topic != HISTORY_TOPIC) > BATCH_RECORDS

    def lag_seconds(self, moment: datetime) -> dict[str, float]:
        """Return how old, at most, the oldest record is that was not absorbed, by topic; 0 where none waits."""
        return self.assignment.lag_seconds(moment) if self.assignment else {}

    async def absorb(self, polled: Sequence[Polled], source: Log) -> None:
        """Absorb records that were read from a log, whether from the topics or from the archive."""
        batch = Batch(began=source.now())
        batch.open(polled, self.door.judge)
        await self._absorb_patiently(batch, source)

    async def _session(self, stop: asyncio.Event) -> None:
        topics = (*self._absorber.topics, HISTORY_TOPIC)
        source = self._source
        reader = Reader(source.kafka, self._group, topics, source.prefix)
        self.assignment = Assignment(source, topics, reader, self._database, self._leases)
        ahead = ReadAhead(self.assignment, self.door.judge)
        try:
            await self.assignment.check_topics()
            await self._membership.take_leave()
            async with while_it_answers(reader.ping):
                await reader.start(partial(self._stand_by, reader), stop)
                while not stop.is_set():
                    self.beat = time.monotonic()
                    if await ahead.settle():
                        await self._step(self.assignment, ahead)
                    else:
                        self._stand_by(reader)
        finally:
            self._leases.release()
            await ahead.drop()
            self._membership.ended(await reader.stop())

    def _stand_by(self, reader: Reader) -> None:
        """Say how a member without partitions stands: well if others have them all, not if nobody deals them out."""
        self.beat = time.monotonic()
        if reader.forming_since is None:
            self.trouble = self.trouble if reader.assigned else None  # what was assigned is yet to be claimed
        elif (seconds := time.monotonic() - reader.forming_since) > FORMING_SECONDS:
            self.trouble = f"no partitions: the consumer group has not been formed for {seconds:.0f} s"
            self._membership.unstick()

    async def _step(self, assignment: Assignment, ahead: ReadAhead) -> None:
        try:
            batch = await ahead.next()
        except OutOfRange as error:
            await assignment.recover(error.places)
            return
        self.trouble = None
        if batch is None:
            return
        if batch.offsets:
            ahead.begin()
            await self._absorb_patiently(batch, assignment)
        await self._note_current(assignment, batch.began)

    async def _absorb_patiently(self, batch: Batch, source: Log) -> None:
        """Absorb one batch, waiting out a broken world; if the batch cannot be written, find the bad record."""
        while True:
            try:
                await self._commit(batch, source)
            except LeaseLost:
                raise
            except Exception as error:
                if not is_world_trouble(error):
                    log.warning("batch_failed", error=repr(error), events=len(batch.received))
                    await self._narrow_down(batch, source, error)
                    break
                if self._stop.is_set():
                    raise
                self.trouble = f"the database does not answer: {error!r}"
                self.beat = time.monotonic()
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                break
        await source.commit(batch.offsets)

    async def _narrow_down(self, batch: Batch, source: Log, error: Exception) -> None:
        """Absorb what can be. An event that fails alone becomes a dead letter; a run of them stops the consumer."""
        failed = await self._failing(batch.received, source, error) if batch.received else []
        await self._commit(replace(batch, received=[], letters=[*batch.letters, *failed]), source)

    async def _failing(self, received: Sequence[Received], source: Log, error: Exception) -> list[Letter]:
        """Halve events that failed together until those are found, in order, that fail alone; absorb the others."""
        if len(received) == 1:
            return [self._failure(received[0], error)]
        failed: list[Letter] = []
        middle = len(received) // 2
        for half in (received[:middle], received[middle:]):
            try:
                await self._commit(Batch(received=[*half]), source)
            except LeaseLost:
                raise
            except Exception as closer:
                if is_world_trouble(closer):
                    raise
                failed += await self._failing(half, source, closer)
        return failed

    def _failure(self, received: Received, error: Exception) -> Letter:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILURES_IN_A_ROW:
            raise TooManyFailures(
                f"{FAILURES_IN_A_ROW} events in a row could not be absorbed, the last because of {error!r}. "
                "Nothing was skipped: mend the service and restart it."
            ) from error
        event = received.event
        log.error("absorb_failed", event_id=event.id, account_id=event.subject, error=repr(error))
        record = Polled(
            received.topic, received.partition, received.offset, event.subject.encode(), received.raw, (), 0
        )
        return letter_of(record, BadEvent("absorb_failed", repr(error)[:500]))

    async def _commit(self, batch: Batch, source: Log) -> None:
        began, moment = time.monotonic(), source.now()
        partitions = {place[1] for place in batch.offsets} | {each.partition for each in batch.received}
        await self._inbox.open_generation(self._database, moment)
        async with self._database.transaction() as conn:
            await self._leases.check(conn, partitions)
            fresh = await self._fresh(conn, batch.received, moment)
            touched = await self._absorber.absorb(conn, fresh) if fresh else ()
            await due.mark(conn, touched, moment, self._pace)
            news = await deadletters.write(conn, self._source.service, source.cluster, batch.letters, moment)
            if batch.offsets:
                await positions.advance(conn, source.cluster, batch.offsets, None)
        source.moved(batch.offsets, batch.newest)
        if fresh:
            self._failed_in_a_row = 0
        self._count(batch.received, fresh, news)
        self._history_waits = self._history_waits or any(each.urgency is Urgency.HISTORY for each in touched)
        if any(each.urgency is Urgency.GRAVE for each in touched):
            self.work.set()
        BATCH_SECONDS.observe(time.monotonic() - began)

    async def _fresh(self, conn: AsyncConnection, received: Sequence[Received], moment: datetime) -> list[Received]:
        """Claim the ids of a batch; return the events that were never counted, in order, each once."""
        once: dict[bytes, Received] = {}
        for each in received:
            once.setdefault(each.event.key, each)
        live = [key for key, each in once.items() if not each.event.backfill]
        history = [key for key, each in once.items() if each.event.backfill]
        claimed = await self._inbox.claim(conn, live, history, moment) if once else set()
        return [each for key, each in once.items() if key in claimed]

    def _count(self, received: Sequence[Received], fresh: Sequence[Received], letters: Sequence[Letter]) -> None:
        for letter in letters:
            DEAD_LETTERS.labels(letter.error.code).inc()
        absorbed = Counter(each.topic for each in fresh)
        repeated = Counter(each.topic for each in received) - absorbed
        for counter, tally in ((ABSORBED, absorbed), (REPEATED, repeated)):
            for topic, count in tally.items():
                counter.labels(topic).inc(count)

    async def _note_current(self, assignment: Assignment, moment: datetime) -> None:
        """Note where nothing was waiting, and look at accounts whose history has been read to the end."""
        if time.monotonic() - self._noted < CURRENT_EVERY_SECONDS:
            return
        self._noted = time.monotonic()
        current = assignment.current(moment)
        for topic, records in assignment.lag().items():
            LAG.labels(topic).set(records)
        if not current:
            return
        async with self._database.transaction() as conn:
            await self._leases.check(conn, {partition for _, partition in current})
            await positions.mark_current(conn, current, moment)
            if self._history_waits and all(place in current for place in assignment.history):
                await due.hurry_history(conn, self._leases.held, moment)
                self._history_waits = False
                self.work.set()
