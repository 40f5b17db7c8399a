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
from shared.events.decode import ADDED_BYTES, decode_event, decode_untrusted
from shared.events.derived import (
    Alert,
    AlertAcknowledged,
    AlertDelivered,
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
from shared.events.raw import identity, known_since, named_in
from shared.events.refusal import CODES
from shared.events.usage import UsageRecorded
from shared.events.whole import MAX_BYTES, MAX_DEPTH, check_bytes

__all__ = [
    "ADDED_BYTES",
    "CODES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "TYPES",
    "AccountProfiled",
    "Alert",
    "AlertAcknowledged",
    "AlertDelivered",
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
    "check_bytes",
    "decode_event",
    "decode_untrusted",
    "encode_event",
    "event_key",
    "identity",
    "known_since",
    "named_in",
    "topic_of",
    "type_of",
]
