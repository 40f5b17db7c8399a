"""Usage as numbers: events grouped into deltas, deltas added up to days. Pure; both ways to a day meet here.

A delta never mixes times of receipt, so what was known at any moment can be added up again. Days are those of one time
zone per deployment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple, Self

from services.health.record import UsageDay
from shared.events import Event, UsageRecorded

HUMAN: Final = "human"
ERROR: Final = "error"


class DeltaKey(NamedTuple):
    """What one delta says alike of all its calls. `person` is the vendor's person id."""

    recorded: datetime
    account_id: str
    person: str
    day: date
    kind: str
    product: str | None
    actor: str
    outcome: str
    backfill: bool


class Delta(NamedTuple):
    """How often, and how much: `person` is the number that stands for the person."""

    account_id: str
    person: int
    day: date
    kind: str
    actor: str
    outcome: str
    quantity: Decimal
    calls: int
    recorded: datetime
    backfill: bool


def group(events: Iterable[Event], zone: tzinfo) -> dict[DeltaKey, tuple[Decimal, int]]:
    """Return quantity and calls by key, in the order in which the keys first occur."""
    found: dict[DeltaKey, tuple[Decimal, int]] = {}
    for event in events:
        data = event.data
        if not isinstance(data, UsageRecorded):
            raise TypeError(f"{event.type} is no usage")
        key = tuple.__new__(  # what the class does, in half the time
            DeltaKey,
            (
                event.recordedtime,
                event.subject,
                data.person_id,
                event.time.astimezone(zone).date(),
                data.event,
                data.product,
                data.actor,
                data.outcome,
                event.backfill,
            ),
        )
        before = found.get(key)
        found[key] = (before[0] + data.quantity, before[1] + 1) if before else (data.quantity, 1)
    return found


@dataclass(slots=True)
class Tally:
    """One account's day while it is being added up. Adding is commutative, so order does not matter."""

    persons: set[int] = field(default_factory=set)
    events: dict[str, int] = field(default_factory=dict)
    quantity: Decimal = Decimal(0)
    errors: int = 0
    calls: int = 0
    live_at: datetime | None = None
    history_at: datetime | None = None

    def add(self, delta: Delta) -> Self:
        """Count a delta; only a human actor counts as a person."""
        if delta.actor == HUMAN:
            self.persons.add(delta.person)
        self.events[delta.kind] = self.events.get(delta.kind, 0) + delta.calls
        self.quantity += delta.quantity
        self.errors += delta.calls if delta.outcome == ERROR else 0
        self.calls += delta.calls
        if delta.backfill:
            self.history_at = max(self.history_at or delta.recorded, delta.recorded)
        else:
            self.live_at = max(self.live_at or delta.recorded, delta.recorded)
        return self

    def on(self, day: date, same: Mapping[int, int]) -> UsageDay:
        """Return the day as a fact; `same` names the number that stands for all numbers of one person."""
        persons = tuple(sorted({same.get(number, number) for number in self.persons}))
        return UsageDay(
            day,
            persons,
            self.quantity,
            dict(sorted(self.events.items())),
            self.errors,
            self.calls,
            self.live_at,
            self.history_at,
        )


def tallies(deltas: Iterable[Delta], known: Mapping[tuple[str, date], Tally]) -> dict[tuple[str, date], Tally]:
    """Add deltas to what is known of their days (the tallies are changed); return the days by account and day."""
    found = dict(known)
    for delta in deltas:
        place = (delta.account_id, delta.day)
        tally = found.get(place) or found.setdefault(place, Tally())
        tally.add(delta)
    return found


def too_old(event: Event, kept: timedelta) -> bool:
    """Tell whether live usage is older than repetitions of it could be recognised."""
    return not event.backfill and event.recordedtime - event.time > kept
