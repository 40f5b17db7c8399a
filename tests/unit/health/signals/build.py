"""Small builders: facts of an imaginary account, and the numbers of the shipped definition."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

import services.health.definitions
from services.health.champion import ChampionRule
from services.health.decline import DeclineRule
from services.health.detector import Context
from services.health.facts import AccountFacts, account_facts
from services.health.record import (
    ContactPatch,
    Fact,
    LeftReport,
    Measurement,
    ObjectiveSet,
    ProfilePatch,
    SubscriptionState,
    UsageDay,
)

NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)  # a Thursday
LAST_WEEK = date(2026, 11, 9)  # Monday of the last complete week

RULES: Mapping[str, Mapping[str, Any]] = msgspec.yaml.decode(
    (Path(services.health.definitions.__file__).parent / "standard-1.yaml").read_bytes()
)["signals"]
CHAMPION = msgspec.convert(RULES["champion_left"], ChampionRule)
DECLINE = msgspec.convert(RULES["usage_drop"], DeclineRule)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def stamp(days: float, key: str, *, backfill: bool = False, learned: float | None = None) -> dict[str, Any]:
    recorded = ago(days if learned is None else learned)
    return {"effective": ago(days), "recorded": recorded, "event_id": key, "backfill": backfill}


def contact(days: float, key: str, person: int = 1, **changes: Any) -> ContactPatch:
    return ContactPatch(contact_id=key, person=person, changes=changes, **stamp(days, f"{key}@{days}"))


def left(days: float, name: str, evidence: str = "human", person: int = 1, **marks: Any) -> LeftReport:
    return LeftReport(
        contact_id=name, person=person, evidence=evidence, **stamp(days, f"{name}-{evidence}@{days}", **marks)
    )


def profile(days: float, **changes: Any) -> ProfilePatch:
    return ProfilePatch(changes=changes, **stamp(days, f"profile@{days}"))


def subscription(days: float, mrr: str = "1000", **terms: Any) -> SubscriptionState:
    return SubscriptionState(
        subscription_id="s",
        status="active",
        mrr=Fraction(mrr),
        currency="USD",
        seats={"USD": 10},
        **terms,
        **stamp(days, f"s@{days}"),
    )


def objective(days: float, due_in: int = 100, name: str = "o", **terms: Any) -> ObjectiveSet:
    usual = {
        "title": "Fewer late orders",
        "unit": "%",
        "baseline": Decimal(0),
        "target": Decimal(100),
        "due_on": (NOW + timedelta(days=due_in)).date(),
        "annual_value": Decimal(24000),
        "currency": "USD",
    }
    return ObjectiveSet(objective_id=name, **{**usual, **terms}, **stamp(days, f"{name}@{days}"))


def measured(days: float, value: float, by: str = "customer", name: str = "o", **marks: Any) -> Measurement:
    return Measurement(
        objective_id=name, value=Decimal(str(value)), by=by, **stamp(days, f"{name}={value}@{days}", **marks)
    )


def usage(weeks: Sequence[int], *, backfill: bool = False, last: date = LAST_WEEK) -> list[UsageDay]:
    """One day a week, on Wednesday, with so many persons; the last number belongs to the week of `last`."""
    found = []
    for back, people in enumerate(reversed(weeks)):
        day = last - timedelta(weeks=back) + timedelta(days=2)
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        if people:
            at_live, at_history = (None, at) if backfill else (at, None)
            found.append(
                UsageDay(day, tuple(range(1, people + 1)), Decimal(people), live_at=at_live, history_at=at_history)
            )
    return found


def account(*log: Fact, days: Sequence[UsageDay] = ()) -> AccountFacts:
    return account_facts("acme", UTC, log, days)


def context(as_of: datetime = NOW, fleet: Mapping[date, float | None] | None = None) -> Context:
    return Context(as_of, RULES, fleet or {})
