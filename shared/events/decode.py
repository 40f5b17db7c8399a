"""Owns the door: bytes become an Event in full, or a BadEvent that says why not. Nothing else comes out of here."""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from shared.errors import BadEvent
from shared.events.catalog import TYPES, EventType, known_type
from shared.events.envelope import Envelope, Event, Recorded
from shared.events.fields import FIRST_YEAR, LAST_YEAR, Instant
from shared.events.refusal import refusal
from shared.events.whole import MAX_BYTES, check_bytes

ADDED_BYTES: Final = 8 * 1024
"""What ingest may add to an event of MAX_BYTES: the envelope around a call, times and the partition key, escaped."""

_T = TypeVar("_T")


class _Untrusted(Envelope, kw_only=True):
    time: Instant | None = None
    recordedtime: msgspec.Raw = msgspec.Raw(b"null")


def decode_event(raw: bytes) -> Event:
    """Decode an event as it lies on Kafka. Raises BadEvent with a code of `refusal.CODES`."""
    check_bytes(raw, MAX_BYTES + ADDED_BYTES)
    envelope = _at_once(raw) or _decode(_RECORDED, raw)
    recorded = _instant("recordedtime", envelope.recordedtime)
    return _event(envelope, _instant("time", envelope.time), recorded)


def decode_untrusted(raw: bytes, *, received: datetime, backdate: bool, most: int = MAX_BYTES) -> tuple[Event, bytes]:
    """Decode a client's event and return it with the bytes for Kafka, in which unknown fields are preserved.

    `received` (aware) becomes `recordedtime`, and `time` where the client gave none; with `backdate` the client's
    own `recordedtime` holds if it is not later. `most` bounds the bytes. Raises BadEvent with a code of
    `refusal.CODES`.
    """
    check_bytes(raw, most)
    envelope = _decode(_UNTRUSTED, raw)
    recorded = _backdated(envelope.recordedtime, received) if backdate else received.astimezone(UTC)
    time = recorded if envelope.time is None else _instant("time", envelope.time)
    event = _event(envelope, time, recorded)
    fields = _FIELDS.decode(raw)
    if envelope.time is None:
        fields["time"] = time
    fields["recordedtime"] = recorded
    fields["partitionkey"] = event.subject
    return event, _ENCODER.encode(fields)


def _at_once(raw: bytes) -> Recorded | None:
    """Decode envelope and data in one pass, half the work, where the type can be read at sight.

    None for whatever is not exactly right: decoding in two steps then finds the words for it.
    """
    begin = raw.find(_TYPE) + len(_TYPE)
    name = raw[begin : raw.find(b'"', begin)]
    decoder = _WITH_DATA.get(name)
    if decoder is None:
        return None
    try:
        found = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.type.encode() == name else None


def _event(envelope: Envelope, time: datetime, recorded: datetime) -> Event:
    kind = known_type(envelope.type)
    data: Any = envelope.data
    if isinstance(data, msgspec.Raw):
        data = _decode(_DATA[envelope.type], data, "data")
    _check_ahead(kind, time, recorded)
    return Event(
        envelope.id,
        envelope.source,
        envelope.type,
        envelope.subject,
        time,
        recorded,
        data,
        envelope.backfill,
        envelope.traceparent,
    )


def _instant(field: str, value: datetime) -> datetime:
    if FIRST_YEAR <= value.year <= LAST_YEAR:
        if value.tzinfo is UTC:
            return value
        instant = value.astimezone(UTC)
        if FIRST_YEAR <= instant.year <= LAST_YEAR:
            return instant
    raise BadEvent("absurd_time", f"{field}: must lie in the years {FIRST_YEAR} to {LAST_YEAR}")


def _backdated(raw: msgspec.Raw, received: datetime) -> datetime:
    given = _decode(_RECORDEDTIME, raw, "recordedtime")
    if given is None:
        return received.astimezone(UTC)
    recorded = _instant("recordedtime", given)
    if recorded > received:
        raise BadEvent("time_in_future", "recordedtime: must not be later than the time of receipt")
    return recorded


def _check_ahead(kind: EventType, time: datetime, recorded: datetime) -> None:
    if time - recorded > kind.ahead:
        most = f"{kind.ahead.days} days" if kind.ahead.days > 1 else "24 hours"
        raise BadEvent("time_in_future", f"time: must be at most {most} after the time of receipt for {kind.name}")


def _decode(decoder: "msgspec.json.Decoder[_T]", raw: bytes | msgspec.Raw, at: str = "") -> _T:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refusal(error, at) from None


_FIELDS: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RECORDED = msgspec.json.Decoder(Recorded)
_UNTRUSTED = msgspec.json.Decoder(_Untrusted)
_RECORDEDTIME: msgspec.json.Decoder[datetime | None] = msgspec.json.Decoder(Instant | None)
_DATA = {name: msgspec.json.Decoder(kind.data) for name, kind in TYPES.items()}
_TYPE = b'"type":"'
_WITH_DATA: dict[bytes, msgspec.json.Decoder[Any]] = {
    name.encode(): msgspec.json.Decoder(
        msgspec.defstruct("WithData", [("data", kind.data)], bases=(Recorded,), kw_only=True)
    )
    for name, kind in TYPES.items()
}
_ENCODER = msgspec.json.Encoder()
