"""The contracts: what an event is, which types exist, and the door through which bytes become events."""

from shared.errors import BadEvent
from shared.events.billing import InvoicePaid, InvoicePaymentFailed, SubscriptionItem, SubscriptionSnapshot
from shared.events.catalog import TYPES, EventType, topic_of, type_of
from shared.events.customer import (
    AccountProfiled,
    ContactLeft,
    ContactUpserted,
    ObjectiveMeasured,
    ObjectiveSet,
    Owner,
    OwnerAssigned,
    PersonAliased,
    Scale,
    SurveyResponded,
    TicketClosed,
    TicketOpened,
)
from shared.events.decode import MAX_BYTES, MAX_DEPTH, decode_event, decode_untrusted
from shared.events.derived import (
    Alert,
    AlertAcknowledged,
    AlertRaised,
    AlertResolved,
    Component,
    Evidence,
    MovementBooked,
    RestsOn,
    ScoreChanged,
    Signal,
    SignalCleared,
    SignalOpened,
    SignalUpdated,
    Text,
)
from shared.events.envelope import Event, encode_event, event_key
from shared.events.fields import EventData, Money
from shared.events.refusal import CODES
from shared.events.usage import UsageRecorded

__all__ = [
    "CODES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "TYPES",
    "AccountProfiled",
    "Alert",
    "AlertAcknowledged",
    "AlertRaised",
    "AlertResolved",
    "BadEvent",
    "Component",
    "ContactLeft",
    "ContactUpserted",
    "Event",
    "EventData",
    "EventType",
    "Evidence",
    "InvoicePaid",
    "InvoicePaymentFailed",
    "Money",
    "MovementBooked",
    "ObjectiveMeasured",
    "ObjectiveSet",
    "Owner",
    "OwnerAssigned",
    "PersonAliased",
    "RestsOn",
    "Scale",
    "ScoreChanged",
    "Signal",
    "SignalCleared",
    "SignalOpened",
    "SignalUpdated",
    "SubscriptionItem",
    "SubscriptionSnapshot",
    "SurveyResponded",
    "Text",
    "TicketClosed",
    "TicketOpened",
    "UsageRecorded",
    "decode_event",
    "decode_untrusted",
    "encode_event",
    "event_key",
    "topic_of",
    "type_of",
]
