"""The door of a consuming service: what becomes of a record as it lies on a topic. Pure, and told the time.

A record is counted, skipped (a type that others use) or refused with a reason, which makes it a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.absorb import Received
from shared.assignment import HISTORY_TOPIC
from shared.deadletters import Letter
from shared.errors import BadEvent
from shared.events import TYPES, decode_event, named_in
from shared.kafka import partition_of

if TYPE_CHECKING:
    from datetime import datetime

    from shared.absorb import Absorber
    from shared.events import Event
    from shared.kafka import Polled

SKEW: Final = timedelta(hours=24)
"""So far may a receipt lie ahead of our clock: a clock that is a little wrong refuses nothing."""

KEEPERS: Final = {"signals.v1": "alerts"}
"""Who keeps records of a type that nobody knows, by topic; of all others it is health. Every topic has one keeper."""


@dataclass(frozen=True, slots=True)
class Door:
    """Judges records for one service. `partitions` is the number that every topic has."""

    service: str
    absorber: Absorber
    partitions: int

    def judge(self, record: Polled, now: datetime) -> Received | Letter | None:
        """Return the event to count, the dead letter that the record becomes, or None: nothing of ours."""
        try:
            received = self._open(record, now)
        except BadEvent as error:
            if error.code == "unknown_type" and KEEPERS.get(record.topic, "health") != self.service:
                return None
            return letter_of(record, error)
        refusal = None if received is None else self.absorber.refuse(received)
        return received if refusal is None else letter_of(record, refusal)

    def _open(self, record: Polled, now: datetime) -> Received | None:
        if record.value is None:
            raise BadEvent("null_value", "The record has no value; an event was expected.")
        event = decode_event(record.value)
        if record.key != event.subject.encode():
            raise BadEvent("wrong_key", "The record's key must be the account id, or order and ownership are lost.")
        if event.type not in self.absorber.types:
            return None
        self._check_place(event, record)
        if event.recordedtime > now + SKEW:
            raise BadEvent("time_in_future", "recordedtime: lies more than 24 hours ahead of the clock here")
        return Received(event, record.topic, record.partition, record.offset, record.value)

    def _check_place(self, event: Event, record: Polled) -> None:
        """Refuse what others would miss, or count elsewhere: a topic is read whole, an account in one partition."""
        topic = HISTORY_TOPIC if event.backfill else TYPES[event.type].topic
        if record.topic != topic:
            raise BadEvent("wrong_topic", f"The record lies on {record.topic}, but such an event belongs on {topic}.")
        partition = partition_of(record.key or b"", self.partitions)
        if record.partition != partition:
            raise BadEvent(
                "wrong_partition",
                f"The record lies on partition {record.partition}, but its key belongs on {partition}: partition by "
                "murmur2, as Kafka's own clients do. A replay puts it there.",
            )


def letter_of(record: Polled, error: BadEvent) -> Letter:
    """Return the dead letter that a record becomes, with the names that can be read in it."""
    named = named_in(record.value or b"")
    return Letter(record, error, event_id=named.get("id"), source=named.get("source"), account_id=named.get("subject"))
