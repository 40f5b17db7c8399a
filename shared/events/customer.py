"""Owns what a customer's life consists of beside usage and billing (`customer.v1`).

Patch fields (absent keeps the value, null clears it) are `T | UnsetType | None = UNSET`.
"""

from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from msgspec import UNSET, UnsetType

from shared.events.fields import Email, EventData, Id, Money, Name, bounded, dated
from shared.events.refusal import FieldError

PatchName: TypeAlias = Name | UnsetType | None
ContactRole: TypeAlias = Literal["champion", "executive", "decision_maker", "admin", "user"]


class AccountProfiled(EventData, frozen=True, kw_only=True):
    """`kizuna.account.profiled`: a patch of what is known about the account; `attributes` are patched key by key."""

    name: PatchName = UNSET
    industry: PatchName = UNSET
    segment: PatchName = UNSET
    tier: Literal["high", "low", "tech"] | UnsetType | None = UNSET
    time_zone: PatchName = UNSET
    locale: PatchName = UNSET
    country: PatchName = UNSET
    started_on: date | UnsetType | None = UNSET
    renewal_on: date | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    attributes: dict[str, Any] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        dated(self, "started_on", "renewal_on")


class Owner(EventData, frozen=True, kw_only=True):
    """A person at the vendor, with what is needed to reach her in her own language and time."""

    id: Id
    email: Email
    name: Name | None = None
    slack_id: Id | None = None
    locale: Name | None = None
    time_zone: Name | None = None


class OwnerAssigned(EventData, frozen=True, kw_only=True):
    """`kizuna.account.owner_assigned`: who at the vendor answers for the account in `role` from now on, or nobody."""

    role: Literal["csm", "manager", "sales", "support"]
    person: Owner | None


class ContactUpserted(EventData, frozen=True, kw_only=True):
    """`kizuna.contact.upserted`: a patch of what is known about a person there; `roles` are replaced whole."""

    contact_id: Id
    name: PatchName = UNSET
    email: Email | UnsetType | None = UNSET
    title: PatchName = UNSET
    roles: list[ContactRole] | UnsetType | None = UNSET
    active: bool | UnsetType | None = UNSET


class ContactLeft(EventData, frozen=True, kw_only=True):
    """`kizuna.contact.left`: a person is gone from the customer, as far as `evidence` goes."""

    contact_id: Id
    evidence: Literal["human", "deactivated", "mail_bounced", "company_changed", "auto_reply"]
    note: str | None = None


class Scale(EventData, frozen=True, kw_only=True):
    """The ends of a survey's scale."""

    min: Decimal
    max: Decimal

    def __post_init__(self) -> None:
        bounded(self, "min", "max")
        if self.min >= self.max:
            raise FieldError("bad_value", "max", "must be greater than min")


class SurveyResponded(EventData, frozen=True, kw_only=True):
    """`kizuna.survey.responded`: one answer; `scale` is by custom nps 0-10, csat 1-5, ces 1-7."""

    survey: Literal["nps", "csat", "ces"]
    score: Decimal
    scale: Scale | None = None
    contact_id: Id | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        bounded(self, "score")
        if self.scale is not None and not self.scale.min <= self.score <= self.scale.max:
            raise FieldError("bad_value", "score", f"must lie on the scale {self.scale.min} to {self.scale.max}")


class TicketOpened(EventData, frozen=True, kw_only=True):
    """`kizuna.ticket.opened`: the customer asked support for help."""

    ticket_id: Id
    severity: Literal["low", "normal", "high", "urgent"]
    topic: Name | None = None
    contact_id: Id | None = None


class TicketClosed(EventData, frozen=True, kw_only=True):
    """`kizuna.ticket.closed`: support and customer are done with it."""

    ticket_id: Id
    resolution: str | None = None


class ObjectiveSet(EventData, frozen=True, kw_only=True):
    """`kizuna.objective.set`: what the customer wants: from `baseline` to `target`, worth `annual_value` there."""

    objective_id: Id
    title: Name
    unit: Name
    baseline: Decimal
    target: Decimal
    due_on: date
    start_on: date | None = None
    annual_value: Money | None = None

    def __post_init__(self) -> None:
        bounded(self, "baseline", "target")
        dated(self, "due_on", "start_on")


class ObjectiveMeasured(EventData, frozen=True, kw_only=True):
    """`kizuna.objective.measured`: how far an objective has come, and who says so."""

    objective_id: Id
    value: Decimal
    by: Literal["customer", "vendor", "estimate"]

    def __post_init__(self) -> None:
        bounded(self, "value")


class PersonAliased(EventData, frozen=True, kw_only=True):
    """`kizuna.person.aliased`: `previous_id` and `person_id` are one person, known as `person_id` from now on."""

    person_id: Id
    previous_id: Id
