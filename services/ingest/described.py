"""Owns what OpenAPI says about the hot routes: they are plain ASGI, so no framework can describe them by itself."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.ingest import body, segment
from services.ingest.asgi import MOST_EVENTS
from services.ingest.cloudevents import BATCH, PLAIN, STRUCTURED
from services.ingest.origin import Answer

KEY_SCHEMES: Final[dict[str, Any]] = {
    "writeKeyBasic": {"type": "http", "scheme": "basic", "description": "The write key as the user's name."},
    "writeKeyBearer": {"type": "http", "scheme": "bearer", "description": "The write key."},
    "writeKeyHeader": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
}

_REF: Final = "#/components/schemas/{name}"
_CALL: Final = {"type": "object", "description": "A Segment call; its `messageId` is the event's id."}
_CALLS: Final = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": _CALL, "maxItems": MOST_EVENTS},
        "sentAt": {"type": "string", "format": "date-time"},
        "writeKey": {"type": "string", "description": "Used when no header carries a key."},
    },
}
_EVENT: Final = {"type": "object", "description": "A CloudEvents 1.0 JSON event; the types are in docs/events."}
_EVENTS: Final = {"type": "array", "items": _EVENT, "maxItems": MOST_EVENTS}
_LIMITS: Final = f"At most {body.MOST_BYTES // 2**20} MiB on the wire and inflated; gzip, deflate and zstd are read."


def paths() -> dict[str, Any]:
    """Return the OpenAPI path items of the routes that `services.ingest.asgi` serves."""
    single = {f"/v1/{call}": {"post": _segment(f"Take one {call} call", _CALL)} for call in segment.CALLS}
    return {
        **single,
        "/v1/batch": {"post": _segment("Take a batch of Segment or RudderStack calls", _CALLS)},
        "/v1/events": {"post": _cloudevents(), "options": _handshake()},
    }


def schemas() -> dict[str, Any]:
    """Return the schemas that the path items refer to."""
    _, found = msgspec.json.schema_components([Answer], ref_template=_REF)
    return found


def _segment(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    told = f"Any content type is read as JSON. {_LIMITS}"
    return _post(summary, told, {"*/*": {"schema": schema}}, "What became of each call.")


def _cloudevents() -> dict[str, Any]:
    contents = {
        STRUCTURED: {"schema": _EVENT},
        BATCH: {"schema": _EVENTS},
        PLAIN: {"schema": {"oneOf": [_EVENT, _EVENTS]}},
        "*/*": {"schema": {"description": "Binary mode: the data, with the attributes in `ce-` headers."}},
    }
    told = f"Structured, batch and binary mode. A single event that is refused is a 400. {_LIMITS}"
    return _post("Take CloudEvents", told, contents, "What became of each event, acknowledged by all replicas.")


def _post(summary: str, told: str, contents: dict[str, Any], done: str) -> dict[str, Any]:
    answer = {"application/json": {"schema": {"$ref": _REF.format(name=Answer.__name__)}}}
    return {
        "summary": summary,
        "description": told,
        "requestBody": {"required": True, "content": contents},
        "responses": {"200": {"description": done, "content": answer}},
    }


def _handshake() -> dict[str, Any]:
    return {
        "summary": "Tell a CloudEvents sender that it may deliver here",
        "responses": {"200": {"description": "Allowed; nothing is changed."}},
    }
