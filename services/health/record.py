"""What one event said about one account: immutable values, one class per kind of fact.

A fact never changes and never knows what other facts say; `facts.py` folds them into states. Usage is the exception in
grain only: it comes by the thousand, so its value is the day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What every fact has: when it happened, when we learned it, which event said so, whether it was history."""

    effective: datetime
    recorded: datetime
    event_id: str
    source: str = ""
    backfill: bool = False

    @property
    def order(self) -> tuple[datetime, datetime, str, str]:
        """The one order in which facts are folded; arrival plays no part in it."""
        return (self.effective, self.recorded, self.event_id, self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePatch(Fact):
    """Fields of the profile that were named; a value of None clears the field."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerChange(Fact):
    """Who holds a role for the account from then on: `person` as in the contract, or None for nobody."""

    role: str
    person: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPatch(Fact):
    """Fields of a contact that were named; `person` is the number under which the contact's usage is counted."""

    contact_id: str
    person: int
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftReport(Fact):
    """Evidence that a contact has left: `human`, `deactivated`, `mail_bounced`, `company_changed` or `auto_reply`."""

    contact_id: str
    person: int
    evidence: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey(Fact):
    """One answer: `score` on the scale `low` to `high`, where more is better."""

    survey: str
    score: Decimal
    low: Decimal
    high: Decimal
    contact_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketOpened(Fact):
    """A support request came in; `severity` is `low`, `normal`, `high` or `urgent`."""

    ticket_id: str
    severity: str
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketClosed(Fact):
    """A support request was answered."""

    ticket_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSet(Fact):
    """The customer wants to get from `baseline` to `target` by `due_on`; worth `annual_value` a year at target."""

    objective_id: str
    title: str
    unit: str
    baseline: Decimal
    target: Decimal
    due_on: date
    start_on: date | None = None
    annual_value: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Fact):
    """Where an objective stood; `by` says who confirmed it: `customer`, `vendor` or `estimate`."""

    objective_id: str
    value: Decimal
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionState(Fact):
    """How one subscription stands from then on; `mrr` is 0 where no revenue flows (trial, unpaid, paused, ended).

    `mrr` is exact: a twelfth of an annual price may be no decimal, and twelve of it are that price again. `seats` are
    quantities by product id.
    """

    subscription_id: str
    status: str
    mrr: Fraction
    currency: str
    seats: Mapping[str, int] = field(default_factory=dict)
    term_start: date | None = None
    term_end: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment(Fact):
    """An invoice was paid (`paid`) or could not be collected."""

    invoice_id: str
    subscription_id: str | None
    amount: Decimal
    currency: str
    paid: bool


@dataclass(frozen=True, slots=True)
class UsageDay:
    """All usage of one account on one day of the deployment's time zone.

    `persons` are the distinct human persons (sorted numbers, aliases merged), `events` counts calls by kind, whoever
    made them, `calls` is their sum, `quantity` the sum of quantities, `errors` the calls that failed for the user.
    `live_at` and `history_at` are the latest receipts of live events and of marked history.
    """

    day: date
    persons: tuple[int, ...]
    quantity: Decimal
    events: Mapping[str, int] = field(default_factory=dict)
    errors: int = 0
    calls: int = 0
    live_at: datetime | None = None
    history_at: datetime | None = None

    @property
    def backfill(self) -> bool:
        """Whether the day rests on marked history alone."""
        return self.live_at is None
