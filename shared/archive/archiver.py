"""The archive's loop: reads every topic, fills a file per place, and lets the store decide who writes it.

A file's name is fixed by where it begins, and the store takes a name once. So whoever writes after a kill, a rebalance
or a long stop can only go on where the newest file ends: a writer that comes too late finds its name taken, drops what
it holds and reads on behind the file that won. What has been archived is never asked of the broker.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from shared.archive.heads import AT_ONCE, Head, Heads
from shared.archive.names import chain_of, life_of
from shared.archive.segment import Held, Segment
from shared.archive.store import StoreTrouble
from shared.events.catalog import TYPES
from shared.kafka import BrokerError, OutOfRange
from shared.kafka_admin import describe, list_topics
from shared.kafka_reader import Group, Reader
from shared.observability import ARCHIVE_COLLISIONS, ARCHIVE_FILES, ARCHIVED, POSITION_INCIDENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from shared.archive.store import Store
    from shared.cluster import Cluster
    from shared.kafka import Place, Polled

log = structlog.get_logger()

BATCH_RECORDS = 5000
IDLE_SECONDS = 0.2
TROUBLE_SECONDS = 0.5
STORE_SECONDS = 3.0  # longer: what was held is read again each time
NEW_TOPICS_SECONDS = 30.0
HISTORY_TOPIC = "backfill.v1"
LETTERS = ".dlq"
UNPREPARED = -1


@dataclass(frozen=True, slots=True)
class Origin:
    """Which broker is read, and how: topics with this prefix, as a group with this session time-out."""

    kafka: Cluster
    prefix: str
    session_seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """When a file is written: at the age `seconds`, or when it holds `file_bytes` before compression."""

    seconds: float
    file_bytes: float


class Archiver:
    """One member of the archive's consumer group."""

    def __init__(self, origin: Origin, store: Store, limits: Limits) -> None:
        self._origin = origin
        self._store = store
        self._limits = limits
        self._heads = Heads(store, self._progress)
        self._prepared = UNPREPARED
        self._cluster = ""
        self._reader: Reader | None = None
        self._at: dict[Place, Head] = {}
        self._open: dict[Place, Segment] = {}
        self._held: dict[Place, Held] = {}
        self.trouble: str | None = "starting"  # None while reading and writing; shown by readiness
        self.beat = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Archive until told to stop, then write what is held. Troubles of broker and store are waited out."""
        while not stop.is_set():
            try:
                await self._session(stop)
            except (BrokerError, StoreTrouble, OSError) as error:
                self.trouble = f"waiting: {error!r}"
                log.warning("archive_waits", error=repr(error))
                self.beat = time.monotonic()
                await asyncio.sleep(TROUBLE_SECONDS)

    def _progress(self) -> None:
        self.beat = time.monotonic()

    def lag(self) -> int | None:
        """Return how many records at the broker were not read yet; None while nobody knows."""
        if self._reader is None or self.trouble or not self._at:
            return None
        ends = {place: self._reader.end(place) for place in self._at}
        if any(end is None for end in ends.values()):
            return None
        return sum(max(0, (end or 0) - self._next(place)) for place, end in ends.items())

    def oldest(self) -> float:
        """Return how many seconds ago the oldest record that is not in a file was read first."""
        return max((time.monotonic() - each.since for each in self._held.values()), default=0.0)

    async def _session(self, stop: asyncio.Event) -> None:
        topics = await self._topics()
        origin = self._origin
        reader = Reader(origin.kafka, Group(f"{origin.prefix}archive", origin.session_seconds), topics, origin.prefix)
        self._reader, self._prepared, self._at, self._open = reader, UNPREPARED, {}, {}
        looked = time.monotonic()
        try:
            await reader.start(self._progress, stop)
            while not stop.is_set():
                self.beat = time.monotonic()
                try:
                    await self._step(reader)
                except StoreTrouble as error:
                    await self._begin_again(error)
                if time.monotonic() - looked > NEW_TOPICS_SECONDS:
                    looked = time.monotonic()
                    if await self._topics() != topics:
                        break
            await self._write([*self._open])
        finally:
            self._reader = None
            await reader.stop()

    async def _topics(self) -> list[str]:
        """Return the topics of this deployment that the broker has, dead letters too."""
        known = {each.topic for each in TYPES.values()} | {HISTORY_TOPIC}
        there = await list_topics(self._origin.kafka, self._origin.prefix)
        found = sorted(t for t in there if t in known or (t.endswith(LETTERS) and t.rsplit(".", 2)[0] in known))
        if not found:
            raise BrokerError("Waiting for topics: the broker has none of this deployment yet.")
        return found

    async def _step(self, reader: Reader) -> None:
        if reader.generation != self._prepared:
            await self._settle(reader)
        try:
            polled = await reader.poll(self._at, IDLE_SECONDS, BATCH_RECORDS)
        except OutOfRange as error:
            await self._recover(reader, error.places)
            return
        await self._keep(polled)
        due = time.monotonic() - self._limits.seconds
        held = {place: self._held[place] for place in self._open}
        await self._write([place for place, each in held.items() if each.tried or each.since <= due])
        settled = reader.forming_since is None and reader.generation == self._prepared
        if settled and not any(each.tried for each in self._held.values()):
            self.trouble = None

    async def _begin_again(self, error: StoreTrouble) -> None:
        """Drop what is held and go on from the files: nobody knows whether the last one was written."""
        self.trouble = f"the store: {error}"
        log.warning("archive_store_waits", error=str(error))
        self._at, self._open, self._prepared = {}, {}, UNPREPARED
        await asyncio.sleep(STORE_SECONDS)

    async def _settle(self, reader: Reader) -> None:
        """Take over what was assigned. What is held of places that stay is kept: names decide who may write it."""
        generation = reader.generation
        assigned = reader.assigned
        self._at = {place: head for place, head in self._at.items() if place in assigned}
        self._open = {place: each for place, each in self._open.items() if place in assigned}
        if assigned:
            self._cluster = (await describe(self._origin.kafka, [])).cluster_id
            self._at |= await self._heads.find(self._cluster, assigned - self._at.keys())
            await self._go_on(reader, assigned)
            log.info("places_taken", places=len(assigned), cluster=self._cluster)
        if reader.forming_since is None:  # before that nobody knows which places stay
            same = {place for place, held in self._held.items() if self._at.get(place) == held.head}
            self._held = {place: self._held[place] for place in same | self._open.keys()}
        self._prepared = generation

    async def _go_on(self, reader: Reader, places: Collection[Place]) -> None:
        """Seek to where places go on. Where that is gone from the broker the files are asked, not a hint."""
        earliest = await reader.earliest(places)
        behind = [place for place in places if (self._at[place].next or 0) < earliest[place]]
        known = [place for place in behind if self._at[place].next is not None]
        if known:
            self._at |= await self._heads.search(self._cluster, known)
        for place in behind:
            head = self._at[place]
            if head.next is not None and head.next < earliest[place]:
                self._incident("gap", place, head.next, earliest[place])
            self._at[place] = Head(head.chain, max(head.next or 0, earliest[place]))
        for place in places:
            reader.seek(place, self._next(place))

    async def _recover(self, reader: Reader, places: Mapping[Place, int]) -> None:
        """Go on where the broker has no such offset: lost to retention, or it lost its tail and has another life."""
        earliest = await reader.earliest(places)
        for place, offset in places.items():
            self._open.pop(place, None)
            self._held.pop(place, None)
            if offset > earliest[place]:
                life = life_of(self._at[place].chain, self._cluster) or 0
                self._incident("younger_broker", place, offset, earliest[place])
                self._at[place] = Head(chain_of(self._cluster, life + 1), earliest[place])
        await self._go_on(reader, places)

    async def _keep(self, polled: Sequence[Polled]) -> None:
        lost: set[Place] = set()
        for record in polled:
            place = (record.topic, record.partition)
            segment = self._open.get(place)
            if place in lost or place not in self._at:
                continue
            if segment is not None and not segment.takes(record, self._limits.file_bytes):
                if not await self._write_one(place):
                    lost.add(place)
                    continue
                segment = None
            if segment is None:
                head = self._at[place]
                segment = self._open[place] = Segment(record, head.chain, self._next(place))
                self._held.setdefault(place, Held(head, time.monotonic()))
            segment.add(record)

    async def _write(self, places: Sequence[Place]) -> None:
        for first in range(0, len(places), AT_ONCE):
            writing = (self._write_one(place) for place in places[first : first + AT_ONCE])
            for failed in await asyncio.gather(*writing, return_exceptions=True):
                if isinstance(failed, BaseException):
                    raise failed

    async def _write_one(self, place: Place) -> bool:
        """Write what is held of a place; False when somebody else had written from there on: then that is read on."""
        segment = self._open[place]
        name, data = segment.name, segment.data()
        self._held[place].tried = True
        written = await self._store.create(name.path, data)
        del self._open[place], self._held[place]
        if not written:
            await self._yield(place, name.path)
            return False
        self._at[place] = Head(name.chain, segment.following)
        ARCHIVED.labels(name.topic).inc(segment.records)
        ARCHIVE_FILES.labels(name.topic).inc()
        await self._heads.note(name, segment.following, len(data))
        if self._reader:
            await self._reader.commit({place: segment.following})
        return True

    async def _yield(self, place: Place, path: str) -> None:
        """Read on behind whoever wrote a file of that name: another replica, or we, when the answer was lost."""
        ARCHIVE_COLLISIONS.inc()
        log.warning("archive_name_taken", path=path)
        self._at |= await self._heads.search(self._cluster, [place])
        if self._reader:
            self._reader.seek(place, self._next(place))

    def _next(self, place: Place) -> int:
        segment = self._open.get(place)
        return segment.following if segment else self._at[place].next or 0

    def _incident(self, kind: str, place: Place, wanted: int, earliest: int) -> None:
        POSITION_INCIDENTS.labels(kind).inc()
        log.error("archive_incident", kind=kind, place=place, wanted=wanted, earliest=earliest)
