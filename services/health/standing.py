"""Where an account stands: the row that the portfolio shows, and what is told when score or band change. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from services.health.answers import component_answer, gate_answer
from services.health.course import Health
from services.health.facts import AccountFacts
from shared.events import Component, Event, ScoreChanged
from shared.events.derived import Band

SOURCE = "kizuna/health"
MOST_MISSED = 1000
"""So many changes of one account may be missing where its own are read back."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was last found and told; `sequence` counts the changes."""

    score: Decimal | None
    band: Band
    sequence: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One account in the portfolio. Field names are those of the table."""

    account_id: str
    definition: str
    score: Decimal | None
    band: Band
    coverage: Decimal
    trend: str | None
    components: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    biggest_lever: str | None
    name: str | None
    tier: str | None
    owner: Mapping[str, Any] | None
    mrr: Decimal | None
    currency: str | None
    signals: tuple[str, ...]
    customer: bool
    sequence: int
    evaluated_at: datetime


def standing(facts: AccountFacts, found: Health, signals: Sequence[str], before: Before | None) -> Standing:
    """Sum up what was found of an account; `signals` are the names of those that are open."""
    score, profile = found.score, facts.at(found.as_of).profile
    value = None if score.value is None else Decimal(str(score.value))
    # the currency in which the account pays most stands for it in a list
    currency, mrr = max(facts.mrr(found.as_of).items(), key=lambda each: (each[1], each[0]), default=(None, None))
    changed = before is None or (before.score, before.band) != (value, found.band)
    sequence = before.sequence if before else 0
    return Standing(
        account_id=facts.account_id,
        definition=found.definition.name,
        score=value,
        band=found.band,
        coverage=Decimal(str(score.coverage)),
        trend=found.trend,
        components=[component_answer(each) for each in score.components],
        gates=[gate_answer(each) for each in score.gates],
        biggest_lever=score.biggest_lever.measure.name if score.biggest_lever else None,
        name=profile.get("name"),
        tier=profile.get("tier"),
        owner=facts.at(found.as_of).owners.get("csm"),
        mrr=mrr,
        currency=currency,
        signals=tuple(signals),
        customer=facts.is_customer(found.as_of),
        sequence=sequence + changed,
        evaluated_at=found.as_of,
    )


def change_of(now: Standing, before: Before | None) -> Event | None:
    """Return the event that tells a change of score or band, None where neither changed."""
    if before is not None and before.sequence == now.sequence:
        return None
    # decimals from JSON numbers: what the event says is what the API shows
    components = msgspec.convert(now.components, list[Component], strict=False)
    data = ScoreChanged(
        score=now.score,
        band=now.band,
        definition=now.definition,
        previous_score=before.score if before else None,
        previous_band=before.band if before else None,
        coverage=now.coverage,
        components=components,
        gates=[gate["gate"] for gate in now.gates],
    )
    identity = _identity(now.account_id, now.definition, now.sequence, now.score, now.band)
    moment = now.evaluated_at
    return Event(identity, SOURCE, "kizuna.health.score_changed", now.account_id, moment, moment, data)


def told_before(before: Before | None, event: Event, data: ScoreChanged) -> Standing:
    """Return what a change that we told says of where an account stood; the next evaluation fills in the rest.

    Its place in the order is found from the id, which `change_of` made of it.
    """
    number = before.sequence if before else 0
    score = None if data.score is None else Decimal(str(data.score))
    tried = range(number + 1, number + MOST_MISSED)
    sequence = next(
        (n for n in tried if event.id == _identity(event.subject, data.definition, n, score, data.band)), number + 1
    )
    return Standing(
        account_id=event.subject,
        definition=data.definition,
        score=score,
        band=data.band,
        coverage=data.coverage or Decimal(0),
        trend=None,
        components=[],
        gates=[],
        biggest_lever=None,
        name=None,
        tier=None,
        owner=None,
        mrr=None,
        currency=None,
        signals=(),
        customer=True,
        sequence=sequence,
        evaluated_at=event.time,
    )


def _identity(account_id: str, definition: str, sequence: int, score: Decimal | None, band: Band) -> str:
    said = f"{account_id}\0score_changed\0{definition}\0{sequence}\0{score}\0{band}"
    return blake2b(said.encode(), digest_size=16).hexdigest()
