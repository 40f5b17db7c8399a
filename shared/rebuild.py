"""Building a service's empty schema from the archive, then from what the topics have beyond it.

The records go through the service's own door, inbox and absorber, in the transactions in which live records go, so what
comes of them is by construction what live absorption made. What the service itself has said is read back, too: it
says nothing twice. When all is read, due accounts are evaluated once, and what had been published before is taken out
of the outbox again. The service then goes on from the stored positions.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from shared import due, positions
from shared.ahead import BATCH_RECORDS
from shared.archive.names import chain_of, life_of
from shared.archive.reading import records, sheets
from shared.assignment import HISTORY_TOPIC, WrongTopics
from shared.clock import now
from shared.consumer import Consumer, Source
from shared.db import execute, fetch
from shared.errors import BadEvent
from shared.evaluation import EvaluationLoop
from shared.events import decode_event
from shared.kafka import OutOfRange, Polled
from shared.kafka_admin import describe
from shared.kafka_reader import Group, Reader
from shared.leases import Leases
from shared.outbox import Relay
from shared.produce import Publisher
from shared.vacancy import require_vacant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.archive.store import Store
    from shared.consuming import Service
    from shared.db import Database
    from shared.kafka import Place
    from shared.settings import ServiceSettings

OWNER = "rebuild"
LETTERS = "dlq"
POLL_SECONDS = 0.3
LOOK_SECONDS = 0.2
PAGE = 2000


@dataclass(slots=True)
class Told:
    """How a rebuild went: records read (of them from the archive), their seconds, and what was not said again."""

    records: int = 0
    archived: int = 0
    seconds: float = 0.0
    evaluated_seconds: float = 0.0
    silenced: int = 0
    left: int = 0
    gaps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pages:
    """A part of the log that lies behind us: its records were learned of when the broker took them."""

    cluster: str
    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def moved(self, offsets: Mapping[Place, int], newest: Mapping[Place, float]) -> None:
        """Nobody waits for it."""

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Nobody reads on from there."""


class Rebuild:
    """One rebuild of one service. `step` is told (bytes read, bytes in all) of the archive as it goes."""

    def __init__(self, service: Service, settings: ServiceSettings, database: Database, store: Store) -> None:
        self._service = service
        self._settings = settings
        self._database = database
        self._store = store
        self._leases = Leases(database, OWNER)
        source = Source(
            service.name, settings.kafka, settings.topic_prefix, settings.partitions, settings.session_seconds
        )
        self._consumer = Consumer(source, database, self._leases, service.absorber, service.pace)
        self._facts = (*service.absorber.topics, HISTORY_TOPIC)
        self._letters = tuple(f"{topic}.{service.name}.{LETTERS}" for topic in self._facts)
        self._said: set[bytes] = set()
        self._refused: set[str] = set()
        self._next: dict[Place, tuple[int, int]] = {}  # life of the cluster, offset
        self.told = Told()

    async def run(self, step: Callable[[int, int], None]) -> Told:
        """Do it all.

        Raises:
            Occupied: the schema is in use or not empty.
            StoreTrouble: a file of the archive cannot be had or read.

        """
        await require_vacant(self._database, self._service.name)
        began = time.monotonic()
        topics = (*self._facts, *self._service.memory.topics, *self._letters)
        cluster = await self._check(topics)
        await self._leases.claim(range(self._settings.partitions), now())
        await self._from_archive(topics, cluster, step)
        self.told.archived = self.told.records
        await self._from_topics(topics, cluster)
        self.told.seconds = time.monotonic() - began
        await self._service.memory.conclude(self._database, now())
        await self._evaluate()
        self.told.evaluated_seconds = time.monotonic() - began - self.told.seconds
        await self._silence()
        return self.told

    async def _check(self, topics: Sequence[str]) -> str:
        view = await describe(self._settings.kafka, [self._settings.topic_prefix + topic for topic in topics])
        wrong = {topic: count for topic, count in view.partitions.items() if count != self._settings.partitions}
        if wrong:
            raise WrongTopics(f"Every topic needs {self._settings.partitions} partitions, but the broker has {wrong}.")
        return view.cluster_id

    async def _from_archive(self, topics: Sequence[str], cluster: str, step: Callable[[int, int], None]) -> None:
        ordered = await sheets(self._store, topics)
        total, done = sum(sheet.size for sheet in ordered), 0
        async for sheet, found, lost in records(self._store, ordered):
            name, life = sheet.name, life_of(sheet.name.chain, cluster)
            self._miss((name.topic, name.partition), name.chain, lost)
            for first in range(0, len(found), BATCH_RECORDS):
                await self._take(cluster if life == 0 else name.chain, found[first : first + BATCH_RECORDS])
            if life is not None and found:
                place = (name.topic, name.partition)
                self._next[place] = max(self._next.get(place, (0, 0)), (life, found[-1].offset + 1))
            done += sheet.size
            step(done, total)

    async def _from_topics(self, topics: Sequence[str], cluster: str) -> None:
        """Read what the topics have beyond the archive, to their ends."""
        settings = self._settings
        group = Group(f"{settings.topic_prefix}{self._service.name}.{OWNER}", settings.session_seconds)
        reader = Reader(settings.kafka, group, topics, settings.topic_prefix)
        await reader.start()
        try:
            while not reader.assigned:
                await reader.poll((), LOOK_SECONDS, 1)
            following = self._starts(await reader.earliest(reader.assigned), cluster)
            generation = -1
            while not all((end := reader.end(place)) is not None and at >= end for place, at in following.items()):
                if reader.assigned and reader.generation != generation:
                    generation = reader.generation
                    for place, offset in following.items():
                        reader.seek(place, offset)
                try:
                    polled = await reader.poll(following, POLL_SECONDS, BATCH_RECORDS)
                except OutOfRange as error:  # the archive knows more than the broker: a younger one
                    for place, first in (await reader.earliest(error.places)).items():
                        following[place] = first
                        reader.seek(place, first)
                    continue
                if polled:
                    await self._take(cluster, polled)
                following |= {(each.topic, each.partition): each.offset + 1 for each in polled}
        finally:
            await reader.stop()
        await self._store_positions(cluster, following)

    def _starts(self, earliest: Mapping[Place, int], cluster: str) -> dict[Place, int]:
        starts = {}
        for place, first in earliest.items():
            life, known = self._next.get(place, (0, 0))
            starts[place] = max(first, known)
            self._miss(place, chain_of(cluster, life), range(known, first))
        return starts

    def _miss(self, place: Place, chain: str, lost: range) -> None:
        if lost:
            self.told.gaps.append(f"{place[0]} {place[1]} of {chain}: {lost[0]} to {lost[-1]}")

    async def _store_positions(self, cluster: str, following: Mapping[Place, int]) -> None:
        read = {place: offset for place, offset in following.items() if place[0] in self._facts}
        async with self._database.transaction() as conn:
            await self._leases.check(conn, self._leases.held)
            await positions.advance(conn, cluster, read, None)
            await due.hurry_history(conn, self._leases.held, now())
            if self.told.gaps:
                await positions.report(conn, "gap", {"cluster": cluster, "missing": self.told.gaps}, now())

    async def _take(self, cluster: str, polled: Sequence[Polled]) -> None:
        """Hand records to who knows what to do with them: facts, the service's own words, copies of dead letters."""
        self.told.records += len(polled)
        facts = [record for record in polled if record.topic in self._facts]
        if facts:
            latest = max(record.timestamp_ms for record in facts)
            moment = min(now(), datetime.fromtimestamp(min(max(latest, 0), 2**41) / 1000, UTC))
            await self._consumer.absorb(facts, _Pages(cluster, moment))
        await self._recall([record for record in polled if record.topic in self._service.memory.topics])
        for record in polled:
            if record.topic in self._letters:
                self._refused.update(value.decode() for name, value in record.headers if name == "place")

    async def _recall(self, polled: Sequence[Polled]) -> None:
        fresh = []
        for record in polled:
            try:
                event = decode_event(record.value or b"")
            except BadEvent:
                continue  # nobody of ours said that
            if event.key not in self._said:
                self._said.add(event.key)
                fresh.append(event)
        if fresh:
            async with self._database.transaction() as conn:
                await self._leases.check(conn, self._leases.held)
                await self._service.memory.recall(conn, fresh)

    async def _evaluate(self) -> None:
        """Evaluate whatever is due, by the loop that does it live."""
        publisher = Publisher(self._settings.kafka, prefix=self._settings.topic_prefix)
        relay = Relay(self._database, self._leases, publisher)  # neither is started: nothing goes out from here
        loop = EvaluationLoop(self._database, self._leases, self._service.evaluator, relay, self._service.pace)
        stop, wake = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(loop.run(stop, wake))
        while not running.done() and await self._due():
            await asyncio.wait([running], timeout=LOOK_SECONDS)
        stop.set()
        wake.set()
        await running

    async def _due(self) -> int:
        async with self._database.snapshot() as conn:
            rows = await fetch(conn, "select count(*) as waiting from account_due where due_at <= $1", now())
            return int(rows[0].waiting)

    async def _silence(self) -> None:
        """Take out of the outbox what was published before; what never was goes out when the service runs."""
        after = 0
        while True:
            async with self._database.transaction() as conn:
                rows = await fetch(
                    conn, "select id, topic, value, headers from outbox where id > $1 order by id limit $2", after, PAGE
                )
                if not rows:
                    return
                gone = [row.id for row in rows if self._published(row.topic, bytes(row.value), row.headers)]
                await execute(conn, "delete from outbox where id = any($1::bigint[])", gone)
            after = rows[-1].id
            self.told.silenced += len(gone)
            self.told.left += len(rows) - len(gone)

    def _published(self, topic: str, value: bytes, headers: str) -> bool:
        if topic in self._letters:
            return any(name == "place" and text in self._refused for name, text in msgspec.json.decode(headers))
        return decode_event(value).key in self._said
