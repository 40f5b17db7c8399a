"""Owns how CloudEvents come over HTTP: structured, batch and binary mode, and plain JSON of the same shape.

Out comes the raw JSON of single events; whether they make sense is for `shared.events` to say.
Source: CloudEvents 1.0.2, HTTP protocol binding and JSON format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from services.ingest import split
from shared.errors import BadRequest, UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Sequence

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
PLAIN: Final = "application/json"

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_NOT_ATTRIBUTES: Final = frozenset({"data", "data_base64", "datacontenttype"})


@dataclass(frozen=True, slots=True)
class RawEvents:
    """The events of one request, each as JSON bytes. `single` when the client sent one event and no list."""

    raws: Sequence[bytes]
    single: bool


def read(headers: dict[bytes, bytes], body: bytes, source: str) -> RawEvents:
    """Return the events of a request. `source` is the write key's, for plain JSON that names none.

    Raises UnsupportedMedia for another content type, BadRequest when the body as a whole is no JSON of its kind.
    """
    kind = _media_type(headers.get(b"content-type", b"").decode("latin-1"))
    if kind == STRUCTURED:
        return RawEvents([body], single=True)
    if kind == BATCH:
        return RawEvents(_array(body), single=False)
    if any(name.startswith(b"ce-") for name in headers):
        return RawEvents([_binary(headers, kind, body)], single=True)
    if kind == PLAIN:
        return _plain(body, source)
    raise UnsupportedMedia(f"Content-Type {kind[:100]!r} is not read here: use {STRUCTURED}, {BATCH} or {PLAIN}.")


def _media_type(header: str) -> str:
    charset = _CHARSET.search(header)
    if charset and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMedia(f"The charset {charset[1][:50]!r} is not read here: send UTF-8.")
    return header.partition(";")[0].strip().lower()


def _array(body: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _ARRAY.decode(body)]
    except msgspec.ValidationError:
        raise BadRequest("The body is no JSON array of events: send [{…}, …].", code="bad_batch") from None
    except (msgspec.DecodeError, RecursionError):
        return split.elements(body)


def _plain(body: bytes, source: str) -> RawEvents:
    if body.lstrip()[:1] == b"[":
        return RawEvents([_completed(raw, source) for raw in _array(body)], single=False)
    return RawEvents([_completed(body, source)], single=True)


def _completed(raw: bytes, source: str) -> bytes:
    """Put in what plain JSON may leave out; an event that cannot be read is left to be refused as it stands."""
    try:
        head = _HEAD.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw
    missing = {}
    if head.specversion is msgspec.UNSET:
        missing["specversion"] = "1.0"
    if head.source is msgspec.UNSET:
        missing["source"] = source
    return _joined(missing, raw.strip()[1:-1]) if missing else raw


def _binary(headers: dict[bytes, bytes], kind: str, body: bytes) -> bytes:
    if kind and kind != PLAIN and not kind.endswith("+json"):
        raise UnsupportedMedia(f"Content-Type {kind[:100]!r} of a binary event is not read: its data must be JSON.")
    attributes: dict[str, Any] = {
        name[3:].decode("latin-1"): _unescaped(value) for name, value in headers.items() if name.startswith(b"ce-")
    }
    attributes = {name: value for name, value in attributes.items() if name not in _NOT_ATTRIBUTES}
    if attributes.get("backfill") in {"true", "false"}:
        attributes["backfill"] = attributes["backfill"] == "true"
    return _joined(attributes, b'"data":' + _one_value(body))


def _unescaped(value: bytes) -> str:
    if len(value) > 1 and value[:1] == value[-1:] == b'"':
        value = _ESCAPED.sub(rb"\1", value[1:-1])
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise BadRequest("A ce- header is not percent-encoded UTF-8.", code="bad_encoding") from None


def _one_value(body: bytes) -> bytes:
    """Return the body if it is one JSON value; otherwise it could smuggle further attributes into the event."""
    try:
        return bytes(_VALUE.decode(body))
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("The body of a binary event must be JSON: its data.", code="bad_json") from None


def _joined(attributes: dict[str, Any], rest: bytes) -> bytes:
    head = msgspec.json.encode(attributes)[:-1]
    comma = b"," if attributes and rest.strip() else b""
    return head + comma + rest + b"}"


class _Head(msgspec.Struct):
    specversion: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    source: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE: Final = msgspec.json.Decoder(msgspec.Raw)
_HEAD: Final = msgspec.json.Decoder(_Head)
