"""What a hostile record is made from: a good one of every topic, as Python values and as bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from deploy.local.topics import READ_BY
from services.alerts.absorb import AlertsAbsorber
from services.health.absorb import HealthAbsorber
from services.revenue.absorb import RevenueAbsorber
from shared.events import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BACKFILL: Final = "backfill.v1"
SOURCE: Final = "poison"
KINDS: Final = {
    "usage.v1": "kizuna.usage.recorded",
    "customer.v1": "kizuna.account.profiled",
    "billing.v1": "kizuna.subscription.snapshot",
    "signals.v1": "kizuna.signal.opened",
    BACKFILL: "kizuna.subscription.snapshot",
}
"""The type of which a topic's records are, unless a case says otherwise: one that all readers of the topic use."""

USED: Final = {
    "health": HealthAbsorber.types,
    "revenue": RevenueAbsorber.types,
    "alerts": AlertsAbsorber.types,
}
COUNTED: Final = "counted"
SKIPPED: Final = "skipped"


@dataclass(frozen=True)
class Case:
    """One record, and what each reader of its topic must make of it: a reason, `counted` or `skipped`."""

    name: str
    topic: str
    value: bytes | None
    key: bytes | None
    verdicts: Mapping[str, str]
    event_id: str
    headers: Sequence[tuple[str, bytes | None]] = ()
    partitions_off: int = 0  # how far from its key's partition it lies
    timestamp_ms: int | None = None
    source: str = SOURCE


def readers(topic: str) -> list[str]:
    return [service for service, topics in READ_BY.items() if topic in topics or topic == BACKFILL]


def users(event_type: str, topic: str) -> list[str]:
    """Services that read the topic and use the type."""
    return [service for service in readers(topic) if event_type in USED[service]]


def good(topic: str, account: str, event_id: str, **changes: Any) -> dict[str, Any]:
    """Return a good event of a topic about an account; `...` removes a field."""
    now = datetime.now(UTC)
    kind = changes.get("type") if changes.get("type") in TYPES else KINDS[topic]
    event = json.loads(TYPES[str(kind)].example.read_text(encoding="utf-8"))
    event |= {
        "id": event_id,
        "source": SOURCE,
        "subject": account,
        "time": (now - timedelta(seconds=5)).isoformat(),
        "recordedtime": now.isoformat(),
        "partitionkey": account,
    }
    if topic == BACKFILL:
        event["backfill"] = True
    if topic == "signals.v1":  # about history alone, so that it pages nobody
        event["data"] |= {"episode": event_id, "historical": True}
        event["data"].pop("rests_on", None)
    return {name: value for name, value in (event | changes).items() if value is not ...}


def raw(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
