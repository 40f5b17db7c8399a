"""Builds raw events for the tests of the door, as compact as ingest writes them."""

import json
from datetime import UTC, datetime
from typing import Any

from shared.events.catalog import TYPES

RECEIVED = datetime(2025, 11, 10, 8, 15, 2, tzinfo=UTC)
USAGE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "web",
    "type": "kizuna.usage.recorded",
    "subject": "acct-1",
    "time": "2025-11-10T08:15:00Z",
    "recordedtime": "2025-11-10T08:15:02Z",
    "data": {"event": "report_created", "person_id": "u-1"},
}


def compact(event: Any) -> bytes:
    """Return JSON without blanks."""
    return json.dumps(event, separators=(",", ":")).encode()


def raw(**changes: Any) -> bytes:
    """Return a usage event with changed envelope fields; `...` removes a field."""
    event = {name: value for name, value in (USAGE | changes).items() if value is not ...}
    return compact(event)


def with_data(event_type: str, **changes: Any) -> bytes:
    """Return the example of a type with changed data fields; `...` removes a field."""
    event = json.loads(TYPES[event_type].example.read_text(encoding="utf-8"))
    event["data"] = {name: value for name, value in (event["data"] | changes).items() if value is not ...}
    return compact(event)


def usage(quantity: str) -> bytes:
    """Return a usage event whose quantity is written exactly so."""
    return raw(data={"event": "e", "person_id": "p", "quantity": "@"}).replace(b'"@"', quantity.encode())


def nested(depth: int) -> bytes:
    """Return a usage event that is nested so deep: envelope, data and properties are the first three levels."""
    inside = "[" * (depth - 3) + "]" * (depth - 3)
    return raw(data={"event": "e", "person_id": "p", "properties": {"x": "@"}}).replace(b'"@"', inside.encode())
