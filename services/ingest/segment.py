"""Owns what a Segment or RudderStack call means: one call in, one CloudEvent out, and who is meant by it.

The account of most calls is looked up later; until then `NOBODY` stands in its place, so that all else is checked.
What the SDKs send was recorded from four of them (tests/data/sdk_requests).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from services.ingest import split, traits
from services.ingest.origin import NOBODY
from shared.errors import BadEvent, BadRequest
from shared.events import check_bytes
from shared.events.fields import FIRST_YEAR, LAST_YEAR
from shared.events.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.ingest.origin import Origin

CALLS: Final = ("track", "page", "screen", "group", "identify", "alias")
SKEW: Final = timedelta(seconds=60)
AHEAD: Final = timedelta(hours=24)


class Batch(msgspec.Struct, frozen=True):
    """A request's calls, each as JSON bytes, with what the envelope says."""

    raws: list[bytes]
    write_key: str | None
    sent: datetime | None


class Meant(msgspec.Struct, frozen=True):
    """One call, understood. `event` is a CloudEvent (JSON) about `account_id`, or about NOBODY while that is None."""

    call: str
    id: str
    event: bytes
    person_id: str | None
    account_id: str | None
    time: datetime
    previous_id: str | None = None


def read_batch(body: bytes) -> Batch:
    """Take a body of `/v1/batch` apart. Raises BadRequest when it is no JSON object with a list `batch`."""
    try:
        envelope = _BATCH.decode(body)
        raws = [bytes(raw) for raw in envelope.batch]
    except msgspec.ValidationError:
        raise BadRequest('The body needs a list of calls: {"batch": […]}.', code="bad_batch") from None
    except (msgspec.DecodeError, RecursionError):
        return _cut_batch(body)
    return Batch(raws, _text(envelope.write_key), instant(envelope.sent_at))


def read_single(body: bytes) -> Batch:
    """Take the body of a single call. Raises BadRequest when it is no JSON object."""
    try:
        envelope = _SINGLE.decode(body)
    except (msgspec.DecodeError, RecursionError):
        found = split.members(body)
        return Batch([body], _text(found.get(b"writeKey", b"null")), instant(found.get(b"sentAt", b"null")))
    return Batch([body], _text(envelope.write_key), instant(envelope.sent_at))


def understand(raw: bytes, call: str | None, origin: Origin) -> Meant:
    """Return what the call means. `call` is the route's, or None where the call itself says it (`type`).

    Raises BadEvent with a code of `shared.events.CODES`; the CloudEvent still has to be decoded in full.
    """
    check_bytes(raw)
    try:
        said = _CALL.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refusal(error) from None
    name = call or said.type
    meaning = _MEANINGS.get(name or "")
    if meaning is None or name is None:
        raise BadEvent("unknown_type", f"type: {name!r} is no call; use one of {', '.join(CALLS)}")
    return meaning(said, _Circumstances(name, raw, origin))


def corrected(client: datetime | None, sent: datetime | None, received: datetime) -> datetime:
    """Return when it happened: the client's time, freed of the error of its clock.

    The clock is judged by when the client says it sent the request; up to `SKEW` is taken for travel time. A time more
    than `AHEAD` in the future that is left after that is taken for the time of receipt.
    """
    if client is None:
        return received
    if sent is not None and _sane(sent) and _sane(client) and abs(received - sent) > SKEW:
        client += received - sent
    return received if client - received > AHEAD else client


def derived_id(message_id: str, what: str) -> str:
    """Return the id of a further event that follows from a call: the same whenever the call is repeated."""
    mark = blake2b(f"{message_id}\0{what}".encode(), digest_size=8).hexdigest()
    return f"{message_id[:180]}:{mark}"


class _Circumstances(msgspec.Struct, frozen=True):
    call: str
    raw: bytes
    origin: Origin


_Key = str | int | float | None


class Context(msgspec.Struct, rename="camel"):
    """What is read of a call's context."""

    group_id: _Key = None
    backfill: bool | None = None
    traits: dict[str, msgspec.Raw] | None = None


class Call(msgspec.Struct, rename="camel"):
    """What is read of a call."""

    type: str | None = None
    message_id: _Key = None
    user_id: _Key = None
    anonymous_id: _Key = None
    group_id: _Key = None
    previous_id: _Key = None
    event: str | None = None
    name: msgspec.Raw = msgspec.Raw(b"null")
    category: msgspec.Raw = msgspec.Raw(b"null")
    properties: dict[str, msgspec.Raw] | None = None
    traits: dict[str, msgspec.Raw] | None = None
    context: Context | None = None
    timestamp: datetime | None = None
    original_timestamp: datetime | None = None
    sent_at: msgspec.Raw = msgspec.Raw(b"null")


class _Single(msgspec.Struct, rename="camel"):
    write_key: msgspec.Raw = msgspec.Raw(b"null")
    sent_at: msgspec.Raw = msgspec.Raw(b"null")


class _Batch(_Single, kw_only=True, rename="camel"):
    batch: list[msgspec.Raw]


def _track(said: Call, at: _Circumstances) -> Meant:
    return _usage(said, at, said.event, said.properties or {})


def _page(said: Call, at: _Circumstances) -> Meant:
    shown = {"name": said.name, "category": said.category}
    named = {key: value for key, value in shown.items() if bytes(value) != b"null"}
    return _usage(
        said, at, "page_viewed" if at.call == "page" else "screen_viewed", {**(said.properties or {}), **named}
    )


def _usage(said: Call, at: _Circumstances, event: str | None, properties: dict[str, msgspec.Raw]) -> Meant:
    data: dict[str, Any] = {"event": _required("event", event), "person_id": _required("userId", _person(said))}
    if properties:
        data["properties"] = properties
    return _meant(said, at, "kizuna.usage.recorded", data, _account(said))


def _group(said: Call, at: _Circumstances) -> Meant:
    account = _required("groupId", _key(said.group_id) or _account(said))
    return _meant(said, at, "kizuna.account.profiled", traits.profile(_traits(said)), account)


def _identify(said: Call, at: _Circumstances) -> Meant:
    contact = {"contact_id": _required("userId", _person(said)), **traits.contact(_traits(said))}
    return _meant(said, at, "kizuna.contact.upserted", contact, _account(said))


def _alias(said: Call, at: _Circumstances) -> Meant:
    person, previous = _required("userId", _person(said)), _required("previousId", _key(said.previous_id))
    if person == previous:
        raise BadEvent("bad_value", "previousId: must differ from userId")
    data = {"person_id": person, "previous_id": previous}
    return _meant(said, at, "kizuna.person.aliased", data, _account(said))


def _meant(said: Call, at: _Circumstances, kind: str, data: dict[str, Any], account: str | None) -> Meant:
    backfill = bool(said.context and said.context.backfill)
    sent = None if backfill else at.origin.sent or instant(said.sent_at)  # history is dated by hand, not by a clock
    time = corrected(aware(said.timestamp or said.original_timestamp), sent, at.origin.received)
    message_id = _key(said.message_id) or _made_up_id(at)
    event = {
        "specversion": "1.0",
        "id": message_id,
        "source": at.origin.source,
        "type": kind,
        "subject": account or NOBODY,
        "time": time,
        "datacontenttype": "application/json",
        "traceparent": at.origin.traceparent,
        "data": data,
    }
    if backfill:
        event["backfill"] = True
    return Meant(at.call, message_id, _encode(event), _person(said), account, time, _key(said.previous_id))


def _made_up_id(at: _Circumstances) -> str:
    return blake2b(at.raw + at.origin.received.isoformat().encode(), digest_size=16).hexdigest()


def _person(said: Call) -> str | None:
    return _key(said.user_id) or _key(said.anonymous_id)


def _account(said: Call) -> str | None:
    return _key(said.context.group_id) if said.context else None


def _traits(said: Call) -> dict[str, msgspec.Raw]:
    # Rudder's Python SDK puts an identify call's traits into the context alone.
    around = (said.context and said.context.traits) or {}
    return {**around, **(said.traits or {})}


def _key(value: _Key) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if value is not None and value != "" else None


def _required(field: str, value: str | None) -> str:
    if value is None:
        raise BadEvent("missing_field", f"{field}: is required")
    return value


def _cut_batch(body: bytes) -> Batch:
    found = split.members(body)
    raws = split.elements(found.get(b"batch", b""))
    return Batch(raws, _text(found.get(b"writeKey", b"null")), instant(found.get(b"sentAt", b"null")))


def _text(raw: msgspec.Raw | bytes) -> str | None:
    if bytes(raw) == b"null":
        return None
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def instant(raw: msgspec.Raw | bytes) -> datetime | None:
    """Return the moment that a JSON text names, if it names one."""
    if bytes(raw) == b"null":  # in most calls; to raise and catch would cost more than all else about them
        return None
    try:
        return aware(_INSTANT.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def aware(time: datetime | None) -> datetime | None:
    """Return the time, in UTC if it says no zone."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _sane(time: datetime) -> bool:
    return FIRST_YEAR <= time.year <= LAST_YEAR


_MEANINGS: Final[dict[str, Callable[[Call, _Circumstances], Meant]]] = {
    "track": _track,
    "page": _page,
    "screen": _page,
    "group": _group,
    "identify": _identify,
    "alias": _alias,
}
_CALL: Final = msgspec.json.Decoder(Call)
_SINGLE: Final = msgspec.json.Decoder(_Single)
_BATCH: Final = msgspec.json.Decoder(_Batch)
_INSTANT: Final = msgspec.json.Decoder(datetime)
_encode: Final = msgspec.json.Encoder().encode
