"""How a consuming service stands: for `/v1/status`, and for its gauges at every scrape."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from shared.clock import now
from shared.db import fetch, fetch_one
from shared.observability import DUE_OLDEST, HALTED, HELD, LAG_SECONDS, LETTERS_WAITING, OUTBOX_OLDEST, OUTBOX_ROWS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.consuming import Runtime

INCIDENTS_SHOWN: Final = 20
SOON: Final = timedelta(seconds=10)
"""Who asks whether all is done must know of looks that were put off for a moment."""


async def status(runtime: Runtime) -> dict[str, Any]:
    """Return how the service stands, by its database.

    What a replica alone knows (`partitions`, `lag`, `lag_by_topic`, `trouble`, `halted`, `last_evaluation`) is that of
    `replica`, the one that answers.
    """
    moment = now()
    async with runtime.database.snapshot() as conn:
        stored = await _stored(conn, moment)
        replicas = await _replicas(conn)
        incidents = await _incidents(conn)
    consumer = runtime.consumer
    return {
        "service": runtime.service,
        "replicas": replicas,
        "replica": runtime.leases.owner,
        "partitions": sorted(runtime.leases.held),
        "lag": sum(consumer.lag().values()),
        "lag_by_topic": consumer.lag(),
        "lag_seconds": round(_age(stored["absorbed_through"], moment), 1) if stored["absorbed_through"] else None,
        "trouble": consumer.trouble,
        "halted": consumer.halted,
        "last_evaluation": runtime.evaluation.last,
        **stored,
        "incidents": incidents,
    }


async def gauge(runtime: Runtime) -> None:
    """Bring the gauges up to date. What the database does not tell keeps its last value."""
    moment = now()
    HALTED.set(runtime.consumer.halted)
    HELD.set(len(runtime.leases.held))
    for topic, seconds in runtime.consumer.lag_seconds(moment).items():
        LAG_SECONDS.labels(topic).set(seconds)
    async with runtime.database.snapshot() as conn:
        stored = await _stored(conn, moment)
    OUTBOX_ROWS.set(stored["outbox"])
    OUTBOX_OLDEST.set(_age(stored["outbox_oldest"], moment))
    DUE_OLDEST.set(_age(stored["due_oldest"], moment))
    LETTERS_WAITING.set(stored["dead_letters_waiting"])


def _age(since: datetime | None, moment: datetime) -> float:
    return max(0.0, (moment - since).total_seconds()) if since else 0.0


async def _stored(conn: AsyncConnection, moment: datetime) -> dict[str, Any]:
    row = await fetch_one(
        conn,
        """select (select count(*) from outbox) as outbox,
                  (select min(created_at) from outbox) as outbox_oldest,
                  (select count(*) from account_due where due_at <= $1 or urgency is not null) as due,
                  (select min(due_at) from account_due where due_at <= $2) as due_oldest,
                  (select count(*) from account_due where failures > 0) as failing,
                  (select count(*) from dead_letter) as dead_letters,
                  (select count(*) from dead_letter where replayed_at is null) as dead_letters_waiting,
                  (select min(absorbed_through) from position
                   having bool_and(absorbed_through is not null)) as absorbed_through""",
        moment + SOON,
        moment,
    )
    return row._asdict() if row else {}


async def _replicas(conn: AsyncConnection) -> list[dict[str, Any]]:
    """Return who owns partitions: a replica that has died owns its own until another has claimed them."""
    rows = await fetch(
        conn,
        """select owner, array_agg(partition order by partition) as partitions, max(claimed_at) as since
           from lease group by owner order by owner""",
    )
    return [{"owner": row.owner, "partitions": row.partitions, "since": row.since} for row in rows]


async def _incidents(conn: AsyncConnection) -> list[dict[str, Any]]:
    rows = await fetch(conn, "select at, kind, detail from incident order by id desc limit $1", INCIDENTS_SHOWN)
    return [{"at": row.at, "kind": row.kind, "detail": msgspec.json.decode(row.detail)} for row in rows]
