"""Owns one event on its way through ingest: read from the client's bytes, given its account, made a record."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from services.ingest import segment
from services.ingest.origin import BATCH, EVENTS, PARKED, Origin, Refusal
from services.ingest.parked_store import Parked
from services.ingest.store import Refused
from shared.errors import BadEvent
from shared.events import (
    ADDED_BYTES,
    MAX_BYTES,
    ContactUpserted,
    Event,
    UsageRecorded,
    decode_event,
    decode_untrusted,
    encode_event,
    topic_of,
)
from shared.kafka import Record

if TYPE_CHECKING:
    from datetime import datetime

BACKFILL: Final = "backfill.v1"
OPEN_TOPICS: Final = frozenset({"usage.v1", "billing.v1", "customer.v1"})
"""What the world may say. The other topics carry what Kizuna itself concludes."""


MOST_MEANT: Final = MAX_BYTES + ADDED_BYTES // 2
"""A call was measured as the client sent it; the envelope that is put around it counts against nobody."""


class Item(msgspec.Struct, frozen=True):
    """One event that is fine as such. While `account_id` is None its subject is NOBODY, in `event` and in `value`."""

    index: int
    raw: bytes
    event: Event
    value: bytes
    call: str
    account_id: str | None
    person_id: str | None = None
    previous_id: str | None = None

    @property
    def is_remembered(self) -> bool:
        """Whether it waits silently: who a person is may well be said before anybody asks."""
        return self.event.type == "kizuna.contact.upserted"


def read(index: int, raw: bytes, origin: Origin, known: datetime) -> Item:
    """Return the event in `raw`, known (`recordedtime`) since `known`. Raises BadEvent."""
    if origin.route == EVENTS:
        return _read_event(index, raw, origin, known)
    if origin.route == PARKED:
        event = msgspec.structs.replace(decode_event(raw), recordedtime=known)
        return Item(index, raw, event, encode_event(event), "track", None, person_of(event))
    meant = segment.understand(raw, None if origin.route == BATCH else origin.route, origin)
    event, value = decode_untrusted(meant.event, received=known, backdate=False, most=MOST_MEANT)
    return Item(index, raw, event, value, meant.call, meant.account_id, meant.person_id, meant.previous_id)


def person_of(event: Event) -> str | None:
    """Return whose account decides about the event, for events that wait for it."""
    if isinstance(event.data, UsageRecorded):
        return event.data.person_id
    return event.data.contact_id if isinstance(event.data, ContactUpserted) else None


def addressed(raw: bytes, account_id: str, known: datetime) -> tuple[Event, bytes]:
    """Return an event that waited with its account, known since `known`, and its bytes. Raises BadEvent."""
    event = msgspec.structs.replace(decode_event(raw), subject=account_id, recordedtime=known)
    return event, encode_event(event)


def record(event: Event, value: bytes) -> Record:
    """Return what goes to Kafka: keyed by account, marked history apart from what is live."""
    headers = [("ce_id", event.id.encode()), ("ce_source", event.source.encode()), ("ce_type", event.type.encode())]
    if event.traceparent:
        headers.append(("traceparent", event.traceparent.encode()))
    topic = BACKFILL if event.backfill else topic_of(event.type)
    return Record(topic, event.subject.encode(), value, headers)


def waiting(item: Item) -> Parked:
    """Return the item as it waits for its account."""
    event = item.event
    return Parked(event.source, event.id, event.type, item.person_id or "", event.time, item.value)


def refusal(index: int, raw: bytes, error: BadEvent) -> Refusal:
    """Return why the event in `raw` is refused, with its id if that can be read."""
    return Refusal(index, _id_in(raw), error.code, storable(error.message) or "")


def letter(why: Refusal, raw: bytes, origin: Origin) -> Refused:
    """Return the dead letter for a refused event; of an overlong one the beginning is kept."""
    place = blake2b(b"\0".join((origin.source.encode(), origin.route.encode(), raw)), digest_size=16).hexdigest()
    frame = msgspec.json.encode(origin)
    kept = raw[: 2 * MAX_BYTES]
    return Refused(
        f"http/{place}", storable(why.id), origin.source, why.code, why.message, frame, kept, len(kept) == len(raw)
    )


def storable(text: str | None) -> str | None:
    """Return text that PostgreSQL can hold: what is refused may well contain NUL or lone surrogates."""
    return text and text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class _Named(msgspec.Struct, rename="camel"):
    id: Any = None
    message_id: Any = None


_NAMED: Final = msgspec.json.Decoder(_Named)


def _read_event(index: int, raw: bytes, origin: Origin, known: datetime) -> Item:
    event, value = decode_untrusted(raw, received=known, backdate=origin.backdate)
    if topic_of(event.type) not in OPEN_TOPICS:
        raise BadEvent("unknown_type", f"type: {event.type} is what Kizuna itself says; it is not taken from outside")
    if event.traceparent is None:
        event = msgspec.structs.replace(event, traceparent=origin.traceparent)
        value = value[:-1] + b',"traceparent":' + msgspec.json.encode(origin.traceparent) + b"}"
    return Item(index, raw, event, value, EVENTS, event.subject)


def _id_in(raw: bytes) -> str | None:
    try:
        named = _NAMED.decode(raw[: 2 * MAX_BYTES])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = named.message_id if named.id is None else named.id
    return str(found)[:255] if isinstance(found, str | int) else None
