"""Owns the envelope: a CloudEvents 1.0 JSON event as Kizuna keeps it, its idempotency key and its bytes on Kafka."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec

from shared.events.fields import EventData, Id, Instant


def event_key(source: str, event_id: str) -> bytes:
    """Return the 16-byte idempotency key of an event: a hash of `source` and `id`."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()


class Event(msgspec.Struct, frozen=True):
    """One fact about one account. `time` is when it happened, `recordedtime` when it was learned, both in UTC."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    recordedtime: datetime
    data: EventData
    backfill: bool = False
    traceparent: str | None = None

    @property
    def key(self) -> bytes:
        """The idempotency key: 16 bytes that are equal exactly when source and id are equal."""
        return event_key(self.source, self.id)


class Envelope(msgspec.Struct, kw_only=True):
    """What is read of an envelope, whoever sent it. `id` and `source` identify the event, `subject` is the account."""

    specversion: Literal["1.0"]
    id: Id
    source: Id
    type: Id
    subject: Id
    data: msgspec.Raw
    backfill: bool = False
    traceparent: Annotated[str, msgspec.Meta(max_length=255)] | None = None


class Recorded(Envelope, kw_only=True):
    """The envelope of an event that ingest has taken in: when it happened and when that was learned."""

    time: Instant
    recordedtime: Instant


def encode_event(event: Event) -> bytes:
    """Return the event as CloudEvents JSON (structured mode), with the account id as partition key."""
    return _ENCODER.encode(
        _Written(
            specversion="1.0",
            id=event.id,
            source=event.source,
            type=event.type,
            subject=event.subject,
            time=event.time,
            recordedtime=event.recordedtime,
            partitionkey=event.subject,
            datacontenttype="application/json",
            data=event.data,
            backfill=event.backfill,
            traceparent=event.traceparent,
        )
    )


class _Written(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    recordedtime: datetime
    partitionkey: str
    datacontenttype: str
    data: EventData
    backfill: bool = False
    traceparent: str | None = None


_ENCODER = msgspec.json.Encoder()
