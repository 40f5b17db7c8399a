"""Owns the list of types: name, topic, struct, example, and how far ahead of its receipt an event may lie."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from shared.errors import BadEvent
from shared.events import billing, customer, derived, usage
from shared.events.fields import EventData

SOON = timedelta(hours=24)
AGREED = timedelta(days=3653)
"""Contracts and invoices are agreed up to ten years ahead; everything else has happened when it is told."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One type. `ahead` bounds how far its `time` may lie after the time of receipt."""

    name: str
    topic: str
    data: type[EventData]
    ahead: timedelta = SOON

    @property
    def example(self) -> Path:
        """The file that holds one whole CloudEvent of this type."""
        return Path(__file__).parent / "examples" / f"{self.name}.json"


def topic_of(event_type: str) -> str:
    """Return the topic that carries the type, without a deployment's prefix. Raises BadEvent(`unknown_type`)."""
    return known_type(event_type).topic


def type_of(data: EventData) -> str:
    """Return the type's name for a data struct: what an emitter puts into `Event.type`."""
    return _NAMES[type(data)]


def known_type(name: str) -> EventType:
    """Look a type up by name. Raises BadEvent(`unknown_type`)."""
    found = TYPES.get(name)
    if found is None:
        raise BadEvent("unknown_type", f"type: {name!r} is not known; docs/events lists the types")
    return found


TYPES: dict[str, EventType] = {
    entry.name: entry
    for entry in (
        EventType("kizuna.usage.recorded", "usage.v1", usage.UsageRecorded),
        EventType("kizuna.account.profiled", "customer.v1", customer.AccountProfiled),
        EventType("kizuna.account.owner_assigned", "customer.v1", customer.OwnerAssigned),
        EventType("kizuna.contact.upserted", "customer.v1", customer.ContactUpserted),
        EventType("kizuna.contact.left", "customer.v1", customer.ContactLeft),
        EventType("kizuna.survey.responded", "customer.v1", customer.SurveyResponded),
        EventType("kizuna.ticket.opened", "customer.v1", customer.TicketOpened),
        EventType("kizuna.ticket.closed", "customer.v1", customer.TicketClosed),
        EventType("kizuna.objective.set", "customer.v1", customer.ObjectiveSet),
        EventType("kizuna.objective.measured", "customer.v1", customer.ObjectiveMeasured),
        EventType("kizuna.person.aliased", "customer.v1", customer.PersonAliased),
        EventType("kizuna.subscription.snapshot", "billing.v1", billing.SubscriptionSnapshot, AGREED),
        EventType("kizuna.invoice.paid", "billing.v1", billing.InvoicePaid, AGREED),
        EventType("kizuna.invoice.payment_failed", "billing.v1", billing.InvoicePaymentFailed, AGREED),
        EventType("kizuna.health.score_changed", "health.v1", derived.ScoreChanged),
        EventType("kizuna.signal.opened", "signals.v1", derived.SignalOpened),
        EventType("kizuna.signal.updated", "signals.v1", derived.SignalUpdated),
        EventType("kizuna.signal.cleared", "signals.v1", derived.SignalCleared),
        EventType("kizuna.revenue.movement_booked", "revenue.v1", derived.MovementBooked, AGREED),
        EventType("kizuna.alert.raised", "alerts.v1", derived.AlertRaised),
        EventType("kizuna.alert.acknowledged", "alerts.v1", derived.AlertAcknowledged),
        EventType("kizuna.alert.resolved", "alerts.v1", derived.AlertResolved),
        EventType("kizuna.alert.delivered", "alerts.v1", derived.AlertDelivered),
    )
}
_NAMES = {entry.data: entry.name for entry in TYPES.values()}
