"""What `alerts.v1` hears of messages that have arrived: from it alone it can be known again who was told. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from services.alerts.episode import RANK
from shared.events import AlertDelivered, Event, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from services.alerts.delivery import Settled
    from services.alerts.queue import Delivery
    from services.alerts.schedule import Job

SOURCE: Final = "kizuna/alerts"
_SEVERITY: Final = {rank: name for name, rank in RANK.items()}


def announced(job: Job, rows: Iterable[Delivery], settled: Settled, now: datetime) -> list[tuple[Event, int]]:
    """Return an event for each delivery that a message settled, with its partition."""
    signals = {topic.alert.id: topic.alert.latest.signal for topic in job.topics}
    return [(_event(row, signals[row.alert_id], settled, now), row.partition) for row in rows]


def _event(row: Delivery, signal: str, settled: Settled, now: datetime) -> Event:
    data = AlertDelivered(
        alert_id=row.alert_id,
        signal=signal,
        severity=_SEVERITY[row.rank],
        delivery=row.id,
        channel=row.channel,
        tier=row.tier,
        to=(row.recipient or "").partition(":")[2],
        planned_at=row.planned_at,
        attempts=row.attempts,
        repeated=row.repeated,
        summary=row.batch,
        reference=settled.reference,
    )
    name = blake2b(f"{row.id}|delivered|{row.attempts}".encode(), digest_size=16).hexdigest()
    return Event(name, SOURCE, type_of(data), row.account_id, now, now, data)
