"""Signals of several accounts at once: load what was said, judge the facts, store and tell what has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.health.detector import Context, Detector
from services.health.episode import SETTLE, Said, arrival, decide, event_of
from services.health.facts import AccountFacts
from services.health.judge import findings, next_look
from services.health.signal_store import FleetRatios, fleet_of, load_episodes, load_fleet, save_episodes
from shared.events import Event, RestsOn
from shared.positions import absorbed_through, cluster_of, positions

LOOK_BACK = timedelta(weeks=60)
"""How far back the fleet's ratios are loaded; no rule looks further."""

RESTS_ON = ("customer.v1", "billing.v1")
"""The topics that a receiver of signals may be behind on."""


@dataclass(frozen=True, slots=True)
class Looked:
    """An account that is being looked at: everything known of it, and the partition that owns it."""

    facts: AccountFacts
    partition: int


@dataclass(frozen=True, slots=True)
class Detected:
    """What came of it: events to send, when to look again (None: never), the names of the signals that are open."""

    account_id: str
    emit: tuple[Event, ...] = ()
    next_look: datetime | None = None
    open: tuple[str, ...] = ()


@dataclass(slots=True)
class _Places:
    """How far the partitions were read, each asked for once and only when it matters."""

    conn: AsyncConnection
    through: dict[int, datetime | None] = field(default_factory=dict)
    bases: dict[int, RestsOn | None] = field(default_factory=dict)

    async def absorbed(self, partition: int) -> datetime | None:
        if partition not in self.through:
            self.through[partition] = await absorbed_through(self.conn, partition)
        return self.through[partition]

    async def rests_on(self, partition: int) -> RestsOn | None:
        if partition not in self.bases:
            self.bases[partition] = await _rests_on(self.conn, partition)
        return self.bases[partition]


async def detect(
    conn: AsyncConnection,
    looked: Sequence[Looked],
    rules: Mapping[str, Mapping[str, Any]],
    used: Sequence[Detector],
    now: datetime,
) -> Sequence[Detected]:
    """Judge accounts as of now and return what to send, an entry an account; what was said is stored with it.

    `rules` are the definition's `signals` sections, `used` the detectors. Runs in the caller's transaction.
    """
    known = await load_episodes(conn, [each.facts.account_id for each in looked])
    fleet = await load_fleet(conn, (now - LOOK_BACK).date(), now)
    places = _Places(conn)
    detected, changed = [], []
    for each in looked:
        account = each.facts.account_id
        context = context_of(each.facts, now, rules, fleet)
        found = findings(each.facts, context, used)
        episodes = known.get(account, ())
        history = each.facts.last_backfill_at
        through = await places.absorbed(each.partition) if history and (found or episodes) else None
        said, put_off = decide(account, episodes, found, arrival(each.facts, through, now))
        emit = await _events(places, each.partition, said, now)
        looks = [next_look(each.facts, context, used), now + SETTLE if put_off else None]
        standing = {one.episode: one for one in episodes} | {one.episode.episode: one.episode for one in said}
        detected.append(
            Detected(
                account,
                emit,
                min((look for look in looks if look is not None), default=None),
                tuple(sorted({one.signal for one in standing.values() if one.open})),
            )
        )
        changed += [one.episode for one in said]
    await save_episodes(conn, changed, now)
    return detected


def context_of(
    facts: AccountFacts, as_of: datetime, rules: Mapping[str, Mapping[str, Any]], fleet: FleetRatios
) -> Context:
    """Return what the detectors may know of an account beside its facts."""
    view = facts.at(as_of)
    weeks: Mapping[date, float | None] = fleet_of(fleet, str(view.profile.get("segment") or ""))
    return Context(as_of, rules, {week: ratio for week, ratio in weeks.items() if week <= view.day_of(as_of)})


async def _events(places: _Places, partition: int, said: Sequence[Said], now: datetime) -> tuple[Event, ...]:
    if not said:
        return ()
    rests_on = await places.rests_on(partition)
    return tuple(event_of(each, rests_on, now) for each in said)


async def _rests_on(conn: AsyncConnection, partition: int) -> RestsOn | None:
    cluster = await cluster_of(conn, partition)
    read = {topic: offset for topic, offset in (await positions(conn, partition)).items() if topic.endswith(RESTS_ON)}
    return None if cluster is None else RestsOn(cluster=cluster, partition=partition, positions=read)
