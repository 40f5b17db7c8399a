"""What alerts told before, taken back from `alerts.v1` when the schema is built anew: acts, and what has arrived.

So nobody is told twice, and what was acknowledged stays so. Not told, and therefore gone: attempts that failed, whether
an act came by link or API, and which links were used (using one again finds its act done).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.alerts import queue, store
from services.alerts.episode import Act
from shared.events import AlertAcknowledged, AlertDelivered, AlertResolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.events import Event

TOPICS: Final = ("alerts.v1",)
WAY: Final = "log"


async def recall(conn: AsyncConnection, said: Sequence[Event]) -> None:
    """Store acts and deliveries again. What ended by itself has no actor, and follows from its signal."""
    for event in said:
        data = event.data
        if isinstance(data, AlertAcknowledged | AlertResolved) and data.actor:
            verdict = data.verdict if isinstance(data, AlertResolved) else None
            act = Act(data.alert_id, event.time, data.actor, event.id, verdict, data.note)
            await store.add_act(conn, event.subject, act, WAY)
    arrived = [(event, event.data) for event in said if isinstance(event.data, AlertDelivered)]
    await queue.restore(conn, arrived)
