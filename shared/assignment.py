"""What this replica owns at present and where it reads: claims, start rules, and what is left to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from shared import positions
from shared.clock import now
from shared.kafka import BrokerError, Place
from shared.kafka_admin import describe
from shared.observability import POSITION_INCIDENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.consumer import Source
    from shared.db import Database
    from shared.kafka_reader import Reader
    from shared.leases import Leases
    from shared.positions import Stored

log = structlog.get_logger()

SETTLE_SECONDS = 0.2
HISTORY_TOPIC = "backfill.v1"


class WrongTopics(SystemExit):
    """The topics at the broker are not as this deployment needs them; starting would split accounts."""


class Assignment:
    """The places of one group membership, and the rules by which reading starts at each.

    never read before: from the earliest record; another cluster: from its earliest record (the inbox knows what was
    counted); records lost to retention, or a broker younger than our position: from the earliest, reported as an
    incident. Never a silent jump.
    """

    def __init__(
        self, source: Source, topics: Sequence[str], reader: Reader, database: Database, leases: Leases
    ) -> None:
        self._source = source
        self._topics = topics
        self._database = database
        self._leases = leases
        self.prepared = 0  # the generation of the group that was last taken over
        self._next: dict[Place, int] = {}
        self._through: dict[Place, float] = {}  # what was logged before has been absorbed (Unix time)
        self.reader = reader
        self.cluster = ""
        self.places: frozenset[Place] = frozenset()
        self.live: tuple[Place, ...] = ()
        self.history: tuple[Place, ...] = ()

    async def check_topics(self) -> None:
        """Learn the cluster's identity and insist on equal partition counts.

        Raises:
            WrongTopics: a topic has another number of partitions than the settings say.
            BrokerError: a topic is missing; it may yet be created.

        """
        source = self._source
        view = await describe(source.kafka, [source.prefix + topic for topic in self._topics])
        self.cluster = view.cluster_id
        missing = sorted(topic for topic, count in view.partitions.items() if not count)
        if missing:
            raise BrokerError(f"Waiting for topics that the broker does not have yet: {missing}")
        wrong = {topic: count for topic, count in view.partitions.items() if count != source.partitions}
        if wrong:
            raise WrongTopics(
                f"Every topic needs {source.partitions} partitions (KIZUNA_PARTITIONS), but the broker has {wrong}. "
                "Create them anew or set KIZUNA_PARTITIONS; counts are never raised in place."
            )

    async def settle(self) -> bool:
        """Claim and seek after a change of assignment; return whether there is anything to read."""
        generation = self.reader.generation
        if generation != self.prepared:
            self.places = frozenset()
            self._leases.release()
            if self.reader.assigned:
                await self._take_over(self.reader.assigned)
            self.prepared = generation
        if not self.places:
            await self.reader.poll((), SETTLE_SECONDS, 1)
        return bool(self.places)

    async def recover(self, places: Mapping[Place, int]) -> None:
        """Apply the start rules to places whose offset the broker does not have; to all, if it is another cluster.

        A broker that was replaced may answer before the group notices, and then no position means anything there.
        """
        before = self.cluster
        await self.check_topics()
        await self._start_from(frozenset(places) if self.cluster == before else self.places, lost=True)

    def lag(self) -> dict[str, int]:
        """Return how many records wait at the broker, by topic."""
        waiting = dict.fromkeys(self._topics, 0)
        for place in self.places:
            waiting[place[0]] += self._behind(place) or 0
        return waiting

    def lag_seconds(self, moment: datetime) -> dict[str, float]:
        """Return an upper bound of the age of the oldest record that waits, by topic; 0 where none does.

        A record that waits was logged after the last one that was absorbed, and after nothing waited the last time.
        """
        worst = dict.fromkeys(self._topics, 0.0)
        for place in self.places:
            if self._behind(place) != 0:
                since = moment.timestamp() - self._through.get(place, moment.timestamp())
                worst[place[0]] = max(worst[place[0]], since)
        return worst

    def current(self, moment: datetime) -> list[Place]:
        """Return the places that had been read to the end at `moment`."""
        found = [place for place in self.places if self._behind(place) == 0]
        self._through.update(dict.fromkeys(found, moment.timestamp()))
        return found

    def now(self) -> datetime:
        """Return the present: what is read from the topics is learned of as it is read."""
        return now()

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Tell the broker how far this service is."""
        await self.reader.commit(dict(offsets))

    def moved(self, offsets: Mapping[Place, int], newest: Mapping[Place, float]) -> None:
        """Note positions that have been stored, and when the last record before each was logged."""
        self._next.update(offsets)
        latest = now().timestamp()  # a producer may have dated its records as it liked
        for place, logged in newest.items():
            self._through[place] = max(self._through.get(place, 0.0), min(logged, latest))

    def _behind(self, place: Place) -> int | None:
        end = self.reader.end(place)
        return None if end is None else max(0, end - self._next.get(place, 0))

    async def _take_over(self, assigned: frozenset[Place]) -> None:
        await self.check_topics()
        await self._leases.claim({partition for _, partition in assigned}, now())
        await self._start_from(assigned, lost=False)
        self.places = assigned
        self.live = tuple(sorted(place for place in assigned if place[0] != HISTORY_TOPIC))
        self.history = tuple(sorted(place for place in assigned if place[0] == HISTORY_TOPIC))
        log.info("partitions_taken", partitions=sorted(self._leases.held), cluster=self.cluster)

    async def _start_from(self, places: frozenset[Place], *, lost: bool) -> None:
        earliest = await self.reader.earliest(places)
        async with self._database.transaction() as conn:
            _require_as_before(await positions.highest_partition(conn), self._source.partitions)
            stored = await positions.load(conn, places)
            starts, incidents = _choose(stored, earliest, self.cluster, lost=lost)
            await self._leases.check(conn, {partition for _, partition in places})
            await positions.advance(conn, self.cluster, starts, None)
            for kind, affected in incidents.items():
                POSITION_INCIDENTS.labels(kind).inc()
                log.error("position_incident", kind=kind, places=affected)
                await positions.report(conn, kind, {"cluster": self.cluster, "places": affected}, now())
        for place, offset in starts.items():
            self.reader.seek(place, offset)
        self._next.update(starts)
        known = {place: stored[place].through for place, start in starts.items() if place in stored}
        self._through.update({place: through.timestamp() for place, through in known.items() if through})


def _require_as_before(highest: int | None, partitions: int) -> None:
    if highest is not None and highest >= partitions:
        raise WrongTopics(
            f"This database was filled from topics with at least {highest + 1} partitions, and KIZUNA_PARTITIONS is "
            f"{partitions}. Accounts would change their places: set it as it was, or begin with an empty database "
            "(of a local stack: make down, then remove .run)."
        )


def _choose(
    stored: Mapping[Place, Stored], earliest: Mapping[Place, int], cluster: str, *, lost: bool
) -> tuple[dict[Place, int], dict[str, list[list[object]]]]:
    """Return where to read each place from, and what ops must hear about, by kind of incident."""
    starts, incidents = {}, dict[str, list[list[object]]]()
    for place, first in earliest.items():
        known = stored.get(place)
        starts[place] = first
        if known is None:
            continue
        if known.cluster != cluster:
            kind = "another_cluster"
        elif known.next_offset < first:
            kind = "gap"
        elif lost:
            kind = "younger_broker"
        else:
            starts[place] = known.next_offset
            continue
        incidents.setdefault(kind, []).append([*place, known.next_offset, first])
    return starts, incidents
