"""What a measure is: one number about one account, with the facts that it rests on.

A measure is a module in `measures/` that ends in `PLUGIN = Measure(…)`, and a line in a definition that gives it a
weight and a curve. Its function is pure: it reads only the facts it is given, only those effective by `as_of`, and no
clock. `tests/contracts/test_measures.py` holds every measure to that without naming it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.health.facts import AccountFacts
from services.health.record import Fact, UsageDay


@dataclass(frozen=True, slots=True)
class Reading:
    """One value in the measure's unit, the facts it rests on, and how many days old the youngest of these is.

    `age_days` is 0 where silence is itself an observation, as it is for usage.
    """

    value: float
    basis: tuple[Fact | UsageDay, ...]
    age_days: float = 0.0


@dataclass(frozen=True, slots=True)
class Measure:
    """`read(facts, as_of)` gives a reading, or None where nothing is known; `title` by language (`en`, `ja`)."""

    name: str
    unit: str
    title: Mapping[str, str]
    read: Callable[[AccountFacts, datetime], Reading | None]


def age_days(as_of: datetime, effective: datetime) -> int:
    """Return the whole days between a fact and `as_of`, never negative: a score does not drift by the second."""
    return max(0, (as_of - effective).days)
