"""How a fact lies in the database: the event's data without what tells who a person is, and back again. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.health.people import same_persons
from services.health.record import (
    ContactPatch,
    Fact,
    LeftReport,
    Measurement,
    ObjectiveSet,
    OwnerChange,
    Payment,
    ProfilePatch,
    SubscriptionState,
    Survey,
    TicketClosed,
    TicketOpened,
)
from shared.events import Event, SubscriptionSnapshot
from shared.mrr import snapshot_mrr

ALIASED: Final = "kizuna.person.aliased"
SCALES: Final = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}

PERSONS: Final = ("contact_id", "person_id", "previous_id")
"""Fields that hold a person's id: stored as the number that stands for the person."""

PERSONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "kizuna.account.owner_assigned": ("person",),
    "kizuna.contact.upserted": ("name", "email", "title"),
    "kizuna.contact.left": ("note",),
    "kizuna.survey.responded": ("comment",),
    "kizuna.ticket.closed": ("resolution",),
}
"""Fields that can tell who a person is: stored apart, so that they can be erased."""

LEFT_OUT: Final = ("raw",)
"""Fields that health has no use for."""


@dataclass(frozen=True, slots=True)
class Split:
    """An event's data in its parts: `data` to keep with the fact, `personal` to keep apart, `persons` by field."""

    data: dict[str, Any]
    personal: dict[str, Any]
    persons: dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One stored fact as it is read: `person_id` is the vendor's id of `person`, None once it is erased."""

    type: str
    effective: datetime
    recorded: datetime
    source: str
    event_id: str
    backfill: bool
    person: int | None
    person_id: str | None
    data: Mapping[str, Any]


def split(event: Event) -> Split:
    """Take an event's data apart for storing."""
    data = msgspec.json.decode(msgspec.json.encode(event.data))
    persons = {name: data.pop(name) for name in PERSONS if data.get(name) is not None}
    personal = {name: data.pop(name) for name in PERSONAL.get(event.type, ()) if name in data}
    return Split({name: value for name, value in data.items() if name not in LEFT_OUT}, personal, persons)


def aliases(rows: Iterable[Row]) -> Mapping[int, int]:
    """Return who is the same person, from the rows that say so."""
    return same_persons(
        (row.person, row.data["previous"]) for row in rows if row.type == ALIASED and row.person is not None
    )


def fact_of(row: Row, same: Mapping[int, int]) -> Fact | None:
    """Return a stored fact as the value it stands for; None for what is no fact about the account."""
    build = BUILD.get(row.type)
    stamp = {
        "effective": row.effective,
        "recorded": row.recorded,
        "event_id": row.event_id,
        "source": row.source,
        "backfill": row.backfill,
    }
    return build(row, same, stamp) if build else None


def _contact(row: Row, same: Mapping[int, int]) -> dict[str, Any]:
    number = row.person or 0
    return {"contact_id": row.person_id or f"#{number}", "person": same.get(number, number)}


def _date(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _profile(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    dates = {name: _date(row.data[name]) for name in ("started_on", "renewal_on") if name in row.data}
    return ProfilePatch(changes={**row.data, **dates}, **stamp)


def _owner(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    return OwnerChange(role=row.data["role"], person=row.data.get("person"), **stamp)


def _contact_patch(row: Row, same: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    return ContactPatch(changes=row.data, **_contact(row, same), **stamp)


def _left(row: Row, same: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    return LeftReport(evidence=row.data["evidence"], note=row.data.get("note"), **_contact(row, same), **stamp)


def _survey(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    scale, usual = row.data.get("scale") or {}, SCALES[row.data["survey"]]
    low, high = (Decimal(scale.get(name, usual[place])) for place, name in enumerate(("min", "max")))
    contact = row.person_id or (f"#{row.person}" if row.person else None)
    score = Decimal(row.data["score"])
    return Survey(survey=row.data["survey"], score=score, low=low, high=high, contact_id=contact, **stamp)


def _opened(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    data = row.data
    return TicketOpened(ticket_id=data["ticket_id"], severity=data["severity"], topic=data.get("topic"), **stamp)


def _closed(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    return TicketClosed(ticket_id=row.data["ticket_id"], **stamp)


def _objective(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    data, value = row.data, row.data.get("annual_value")
    return ObjectiveSet(
        objective_id=data["objective_id"],
        title=data["title"],
        unit=data["unit"],
        baseline=Decimal(data["baseline"]),
        target=Decimal(data["target"]),
        due_on=date.fromisoformat(data["due_on"]),
        start_on=_date(data.get("start_on")),
        annual_value=Decimal(value["amount"]) if value else None,
        currency=value["currency"] if value else None,
        **stamp,
    )


def _measured(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    data = row.data
    return Measurement(objective_id=data["objective_id"], value=Decimal(data["value"]), by=data["by"], **stamp)


def _snapshot(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    snapshot = msgspec.convert(row.data, SubscriptionSnapshot)
    seats: dict[str, int] = {}
    for item in snapshot.items:
        seats[item.product_id] = seats.get(item.product_id, 0) + int(item.quantity)
    return SubscriptionState(
        subscription_id=snapshot.subscription_id,
        status=snapshot.status,
        mrr=snapshot_mrr(snapshot),
        currency=snapshot.currency,
        seats=seats,
        term_start=snapshot.term_start,
        term_end=snapshot.term_end,
        **stamp,
    )


def _payment(row: Row, _: Mapping[int, int], stamp: dict[str, Any]) -> Fact:
    return Payment(
        invoice_id=row.data["invoice_id"],
        subscription_id=row.data.get("subscription_id"),
        amount=Decimal(row.data["amount"]),
        currency=row.data["currency"],
        paid=row.type == "kizuna.invoice.paid",
        **stamp,
    )


BUILD: Final[Mapping[str, Callable[[Row, Mapping[int, int], dict[str, Any]], Fact]]] = {
    "kizuna.account.profiled": _profile,
    "kizuna.account.owner_assigned": _owner,
    "kizuna.contact.upserted": _contact_patch,
    "kizuna.contact.left": _left,
    "kizuna.survey.responded": _survey,
    "kizuna.ticket.opened": _opened,
    "kizuna.ticket.closed": _closed,
    "kizuna.objective.set": _objective,
    "kizuna.objective.measured": _measured,
    "kizuna.subscription.snapshot": _snapshot,
    "kizuna.invoice.paid": _payment,
    "kizuna.invoice.payment_failed": _payment,
}
