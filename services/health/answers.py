"""What health answers, as JSON-able values. Pure: an answer depends on facts and on what was asked, on nothing else."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.health.course import Day, Health
from services.health.record import Fact, UsageDay
from services.health.score import FINE_DECIMALS, Component, GateTerm


def health_answer(account_id: str, found: Health, known_at: datetime) -> dict[str, Any]:
    """Return one account's health with everything that explains it."""
    score = found.score
    return {
        "account_id": account_id,
        "as_of": instant(found.as_of),
        "known_at": instant(known_at),
        "definition": found.definition.name,
        "score": score.value,
        "band": found.band,
        "trend": found.trend,
        "coverage": score.coverage,
        "confidence": found.confidence,
        "components": [component_answer(each) for each in score.components],
        "gates": [gate_answer(each) for each in score.gates],
        "missing": [{"measure": each.name, "title": dict(each.title)} for each in score.missing],
        "biggest_lever": score.biggest_lever.measure.name if score.biggest_lever else None,
    }


def component_answer(component: Component) -> dict[str, Any]:
    """Return one measure's part: 50 + all contributions + all gates' effects is the score."""
    reading = component.reading
    return {
        "measure": component.measure.name,
        "title": dict(component.measure.title),
        "value": fine(reading.value),
        "unit": component.measure.unit,
        "points": fine(component.points),
        "weight": fine(component.weight),
        "contribution": fine(component.contribution),
        "lever": fine(component.lever),
        "facts": len(reading.basis),
        "age_days": reading.age_days,
    }


def gate_answer(term: GateTerm) -> dict[str, Any]:
    """Return a closed gate: what it caps at, since when, and what it takes off the score."""
    closed = term.closed
    return {
        "gate": closed.name,
        "cap": term.cap,
        "effect": fine(term.effect),
        "since": instant(closed.since),
        "facts": len(closed.basis),
        "event_ids": [fact.event_id for fact in closed.basis],
    }


def day_answer(day: Day) -> dict[str, Any]:
    """Return one day of a history."""
    return {"day": day.day.isoformat(), "score": day.score, "band": day.band, "coverage": day.coverage}


def basis_answer(basis: Fact | UsageDay) -> dict[str, Any]:
    """Return one thing that a component rests on: an event, or a day of usage."""
    if isinstance(basis, UsageDay):
        return {
            "day": basis.day.isoformat(),
            "persons": len(basis.persons),
            "quantity": number(basis.quantity),
            "calls": basis.calls,
            "events": dict(basis.events),
        }
    return {
        "event_id": basis.event_id,
        "source": basis.source,
        "says": type(basis).__name__,
        "effective": instant(basis.effective),
        "recorded": instant(basis.recorded),
        "backfill": basis.backfill,
    }


def usage_answer(rows: Sequence[Any], same: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return usage counts by day, event and actor; `persons` are distinct, with aliases merged."""
    return [
        {
            "day": row.day.isoformat(),
            "event": row.event,
            "actor": row.actor,
            "persons": len({same.get(person, person) for person in row.persons}),
            "quantity": number(row.quantity),
            "calls": row.calls,
            "errors": row.errors or 0,
        }
        for row in rows
    ]


def instant(moment: datetime) -> str:
    """Write a moment in RFC 3339, UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def number(value: Decimal) -> int | float:
    """Write a quantity as a JSON number."""
    return int(value) if value == value.to_integral_value() else float(value)


def fine(value: float) -> float:
    """Round for showing; adding 0 turns -0.0 into 0.0."""
    return round(value, FINE_DECIMALS) + 0.0
