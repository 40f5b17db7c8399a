"""What the customer got for the price: progress against plan, and return on investment. Pure (reference 4.4).

progress = (value - baseline) / (target - baseline), clipped to 0…1.2. Expected progress grows in a line from start to
due date and is taken at the time of the measurement, so that an objective does not fall behind by not being measured:
that is what `value_unproven` tells. ROI = sum(annual value x progress x trust in the measurement) / ARR.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from services.health.facts import AccountFacts, Objective
from services.health.record import Measurement, ObjectiveSet

MOST_PROGRESS: Final = Decimal("1.2")
PRECISION: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Reached:
    """Where an objective stood when last measured: `progress` 0 to 1.2, `expected` 0 to 1 by plan at that time."""

    terms: ObjectiveSet
    measurement: Measurement
    progress: Decimal
    expected: Decimal


def reached(facts: AccountFacts, objectives: Iterable[Objective], by: datetime) -> tuple[Reached, ...]:
    """Return the objectives that had been measured by then and whose target differs from their baseline."""
    found = []
    for objective in objectives:
        terms = objective.terms
        known = [each for each in objective.measurements if each.effective <= by]
        if known and terms.target != terms.baseline:
            last = known[-1]
            progress = (last.value - terms.baseline) / (terms.target - terms.baseline)
            clipped = min(MOST_PROGRESS, max(Decimal(0), progress)).quantize(PRECISION)
            found.append(Reached(terms, last, clipped, _expected(facts, objective, last.effective)))
    return tuple(found)


def value_share(standing: Sequence[Reached], least_expected: Decimal) -> Decimal | None:
    """Return progress over expected progress, weighted by annual value (equally where one of them has none).

    None where so little was expected yet that nothing can be said.
    """
    worth = [each.terms.annual_value or Decimal(0) for each in standing]
    one_currency = len({each.terms.currency for each in standing}) == 1
    weights = worth if all(worth) and one_currency else [Decimal(1)] * len(standing)
    expected = sum((w * each.expected for w, each in zip(weights, standing, strict=True)), Decimal(0))
    if not standing or expected < least_expected * sum(weights):
        return None
    made = sum((w * each.progress for w, each in zip(weights, standing, strict=True)), Decimal(0))
    return (made / expected).quantize(PRECISION)


def roi(
    standing: Sequence[Reached], arr: Mapping[str, Decimal], confirmed: Mapping[str, Decimal]
) -> tuple[Decimal, str] | None:
    """Return confirmed annual value over annual price, and the currency: that with the greatest price.

    None where the price is unknown, or no measured objective is worth an amount in that currency.
    """
    if not arr:
        return None
    currency = max(sorted(arr), key=lambda each: arr[each])
    counted = [each for each in standing if each.terms.annual_value and each.terms.currency == currency]
    if not counted or arr[currency] <= 0:
        return None
    return (worth(counted, confirmed) / arr[currency]).quantize(PRECISION), currency


def worth(standing: Iterable[Reached], confirmed: Mapping[str, Decimal]) -> Decimal:
    """Return the annual value that is reached, each by the trust that its measurement deserves."""
    parts = (
        (each.terms.annual_value or Decimal(0)) * each.progress * confirmed[each.measurement.by] for each in standing
    )
    return sum(parts, Decimal(0))


def term(facts: AccountFacts, as_of: datetime) -> tuple[date, date] | None:
    """Return the running term that brings most revenue, else the profile's; start and end, None if unknown."""
    today = facts.day_of(as_of)
    terms = [
        (each.mrr, each.subscription_id, each.term_start, each.term_end)
        for each in facts.subscriptions.values()
        if each.mrr > 0 and each.term_start and each.term_end and each.term_start <= today < each.term_end
    ]
    if terms:
        _, _, start, end = max(terms)
        return start, end
    begun, renewed = facts.profile.get("started_on"), facts.profile.get("renewal_on")
    return (begun, renewed) if begun and renewed and begun < renewed else None


def term_edges(facts: AccountFacts) -> tuple[date, ...]:
    """Return the days on which another term may be the running one."""
    states = facts.subscriptions.values()
    return tuple(day for each in states if each.mrr > 0 for day in (each.term_start, each.term_end) if day is not None)


def begins(facts: AccountFacts, objective: Objective) -> date:
    """Return the day from which an objective counts."""
    return objective.terms.start_on or facts.day_of(objective.first_set)


def _expected(facts: AccountFacts, objective: Objective, at: datetime) -> Decimal:
    start = begins(facts, objective)
    whole = (objective.terms.due_on - start).days
    if whole <= 0:
        return Decimal(1)
    passed = Decimal((facts.day_of(at) - start).days) / whole
    return min(Decimal(1), max(Decimal(0), passed)).quantize(PRECISION)
