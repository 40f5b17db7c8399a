"""Gates: facts that outweigh every number. Each says whether it is closed at a moment, since when, by which facts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from services.health.champion import ChampionRule, leavings
from services.health.definition import Definition
from services.health.facts import AccountFacts
from services.health.record import Fact


@dataclass(frozen=True, slots=True)
class Closed:
    """A gate that is closed, since when, and the facts that closed it."""

    name: str
    since: datetime
    basis: tuple[Fact, ...]


def champion_left(facts: AccountFacts, as_of: datetime, definition: Definition) -> Closed | None:
    """Close while a champion has left beyond reasonable doubt and nobody has taken their place."""
    rule = msgspec.convert(definition.signals.get("champion_left", {}), ChampionRule)
    gone = [each for each in leavings(facts, as_of, rule) if each.probability >= rule.alert]
    return _closed("champion_left", [report for each in gone for report in each.reports], as_of, definition)


def payment_failed(facts: AccountFacts, as_of: datetime, definition: Definition) -> Closed | None:
    """Close while an invoice could not be collected and has not been paid since."""
    return _closed("payment_failed", facts.at(as_of).failed_payments, as_of, definition)


GATES: Mapping[str, Callable[[AccountFacts, datetime, Definition], Closed | None]] = {
    "champion_left": champion_left,
    "payment_failed": payment_failed,
}


def _closed(name: str, basis: Sequence[Fact], as_of: datetime, definition: Definition) -> Closed | None:
    """Let a fact hold the gate closed for as many days as the definition says."""
    days = timedelta(days=definition.gates[name].days)
    recent = tuple(fact for fact in basis if as_of - fact.effective <= days)
    return Closed(name, min(fact.effective for fact in recent), recent) if recent else None
