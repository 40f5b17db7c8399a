"""All SQL about deliveries and the mailboxes they go to. Nothing here decides, and nothing commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from services.alerts.delivery import delivery_id
from services.alerts.episode import RANK, Alert
from shared.db import execute, fetch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.alerts.delivery import Settled
    from shared.events import AlertDelivered, Event


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one mailbox, as it lies in the table. `rank` is the severity it speaks of."""

    id: str
    alert_id: str
    account_id: str
    partition: int
    rank: int
    tier: str
    channel: str
    state: str
    planned_at: datetime
    attempts: int = 0
    repeated: bool = False
    batch: str | None = None
    recipient: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery to be made: over `channel`, to whoever holds `tier` then or stands above it."""

    alert: Alert
    partition: int
    rank: int
    tier: str
    channel: str
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unsettled delivery whose time has come, with its alert."""

    delivery: Delivery
    alert: Alert


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that go out as one message to one mailbox, under one lease. `tiers` says who is asked, for each."""

    deliveries: tuple[str, ...]
    tiers: tuple[str, ...]
    recipient: str
    lease: str
    batch: str | None = None


async def plan(conn: AsyncConnection, planned: Sequence[Planned], now: datetime) -> None:
    """Add deliveries; one that was planned before stays as it is, unless it was withdrawn: then it waits again."""
    if not planned:
        return
    await execute(
        conn,
        """insert into delivery
               (id, alert_id, account_id, partition, severity_rank, tier, channel, not_before, planned_at)
           select *, $9::timestamptz from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::smallint[],
                                                 $6::text[], $7::text[], $8::timestamptz[])
           on conflict (id) do update
              set state = 'pending', reason = null, planned_at = excluded.planned_at, not_before = excluded.not_before
              where delivery.state = 'withdrawn'""",
        [delivery_id(each.alert.id, each.rank, each.tier, each.channel) for each in planned],
        [each.alert.id for each in planned],
        [each.alert.account_id for each in planned],
        [each.partition for each in planned],
        [each.rank for each in planned],
        [each.tier for each in planned],
        [each.channel for each in planned],
        [each.not_before for each in planned],
        now,
    )


async def restore(conn: AsyncConnection, arrived: Sequence[tuple[Event, AlertDelivered]]) -> None:
    """Write deliveries that the log says have arrived, as they were settled then."""
    await execute(
        conn,
        """insert into delivery (id, alert_id, account_id, partition, severity_rank, tier, channel, recipient, attempts,
                                 repeated, batch, reference, planned_at, not_before, settled_at, state)
           select i, a, c, 0, s, t, h, r, n, d, b, f, p, p, z, 'sent'
           from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[],
                       $8::int[], $9::boolean[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[])
                as given(i, a, c, s, t, h, r, n, d, b, f, p, z) on conflict (id) do nothing""",
        [data.delivery for _, data in arrived],
        [data.alert_id for _, data in arrived],
        [event.subject for event, _ in arrived],
        [RANK[data.severity] for _, data in arrived],
        [data.tier for _, data in arrived],
        [data.channel for _, data in arrived],
        [f"{data.channel}:{data.to}" for _, data in arrived],
        [data.attempts for _, data in arrived],
        [data.repeated for _, data in arrived],
        [data.summary for _, data in arrived],
        [data.reference for _, data in arrived],
        [data.planned_at for _, data in arrived],
        [event.time for event, _ in arrived],
    )


async def said_ranks(conn: AsyncConnection, alert_ids: Sequence[str]) -> dict[str, int]:
    """Return the highest severity that was said or still will be, per alert; what was withdrawn was not said."""
    rows = await fetch(
        conn,
        "select alert_id, max(severity_rank) as rank from delivery "
        "where alert_id = any($1) and state <> 'withdrawn' group by alert_id",
        list(alert_ids),
    )
    return {row.alert_id: row.rank for row in rows}


async def expire(conn: AsyncConnection, now: datetime) -> int:
    """Make deliveries ambiguous whose sender has not come back in time; return how many."""
    return await execute(
        conn,
        """update delivery set state = 'ambiguous', repeated = true, lease = null, not_before = $1,
                  reason = 'the sender stopped before an answer came'
           where state = 'sending' and lease_until < $1""",
        now,
    )


async def waiting(conn: AsyncConnection, now: datetime, limit: int) -> list[Waiting]:
    """Return unsettled deliveries whose time has come, the longest waiting first."""
    rows = await fetch(
        conn,
        """select d.*, a.body from delivery d join alert a on a.id = d.alert_id
            where d.state in ('pending', 'ambiguous') and d.not_before <= $1
            order by d.not_before, d.id limit $2""",
        now,
        limit,
    )
    return [Waiting(_delivery(row), msgspec.json.decode(row.body, type=Alert)) for row in rows]


async def busy_recipients(conn: AsyncConnection, keys: Sequence[str], now: datetime) -> set[str]:
    """Return which of these mailboxes somebody holds, or must be left in peace for now."""
    rows = await fetch(
        conn,
        "select key from recipient where key = any($1) and (next_at > $2 or holder is not null and held_until >= $2)",
        *(list(keys), now),
    )
    return {row.key for row in rows}


async def hold_recipients(conn: AsyncConnection, leases: Mapping[str, str], now: datetime, until: datetime) -> set[str]:
    """Take mailboxes (key to lease) that nobody holds and whose rate allows a message now; return those taken."""
    keys = sorted(leases)
    rows = await fetch(
        conn,
        """insert into recipient as r (key, holder, held_until, next_at)
           select k, h, $4, $3 from unnest($1::text[], $2::text[]) as u(k, h)
           on conflict (key) do update set holder = excluded.holder, held_until = excluded.held_until
              where (r.holder is null or r.held_until < $3) and r.next_at <= $3
           returning key""",
        *(keys, [leases[key] for key in keys], now, until),
    )
    return {row.key for row in rows}


async def release_recipient(conn: AsyncConnection, key: str, holder: str, next_at: datetime) -> None:
    """Give a mailbox back; nothing goes there before `next_at`."""
    await execute(
        conn,
        """update recipient set holder = null, next_at = greatest(next_at, $3) where key = $1 and holder = $2""",
        *(key, holder, next_at),
    )


async def start(conn: AsyncConnection, claim: Claim, until: datetime) -> list[Delivery]:
    """Commit to sending: mark deliveries that are still unsettled and return them with their attempt counted."""
    rows = await fetch(
        conn,
        """update delivery d set state = 'sending', attempts = attempts + 1, lease = $3, lease_until = $4,
                   recipient = $5, batch = coalesce(batch, $6), tier = t
            from unnest($1::text[], $2::text[]) as r(i, t)
            where d.id = i and state in ('pending', 'ambiguous') returning d.*""",
        *(list(claim.deliveries), list(claim.tiers), claim.lease, until, claim.recipient, claim.batch),
    )
    return [_delivery(row) for row in rows]


async def settle(conn: AsyncConnection, lease: str, settled: Settled, now: datetime) -> list[Delivery]:
    """Note what came of the deliveries under a lease; one that was taken over meanwhile is left alone."""
    rows = await fetch(
        conn,
        """update delivery d set state = $2, not_before = $3, reason = $4, reference = coalesce($5, reference),
                   repeated = repeated or $2 = 'ambiguous', settled_at = $6, lease = null, lease_until = null,
                   attempts = attempts - case when $7 then 0 else 1 end
            where lease = $1 and state = 'sending' returning d.*""",
        *(lease, settled.state, settled.not_before, settled.reason, settled.reference, now, settled.counts),
    )
    return [_delivery(row) for row in rows]


async def wait_on(conn: AsyncConnection, ids: Sequence[str], settled: Settled) -> None:
    """Let deliveries that were dead a moment ago wait on."""
    await execute(
        conn,
        "update delivery set state = $2, not_before = $3, reason = $4 where id = any($1) and state = 'dead'",
        *(list(ids), settled.state, settled.not_before, settled.reason),
    )


async def end(conn: AsyncConnection, ids: Sequence[str], state: str, reason: str, now: datetime) -> None:
    """Settle deliveries that were never attempted: `withdrawn` or `dead`."""
    await execute(
        conn,
        "update delivery set state = $2, reason = $3, settled_at = $4 "
        "where id = any($1) and state in ('pending', 'ambiguous')",
        *(list(ids), state, reason, now),
    )


async def take_turns(conn: AsyncConnection) -> None:
    """Let nobody else look for what comes after dead deliveries until the end of this transaction.

    Two messages about one alert that die at the same time would each see the other one as still alive.
    """
    await execute(conn, "select pg_advisory_xact_lock(hashtext(current_schema() || '.fall_back'))")


async def of_alerts(conn: AsyncConnection, alert_ids: Sequence[str]) -> dict[str, list[Delivery]]:
    """Return every delivery per alert, oldest first."""
    rows = await fetch(conn, "select * from delivery where alert_id = any($1) order by planned_at, id", list(alert_ids))
    found: dict[str, list[Delivery]] = {each: [] for each in alert_ids}
    for row in rows:
        found[row.alert_id].append(_delivery(row))
    return found


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        alert_id=row.alert_id,
        account_id=row.account_id,
        partition=row.partition,
        rank=row.severity_rank,
        tier=row.tier,
        channel=row.channel,
        state=row.state,
        planned_at=row.planned_at,
        attempts=row.attempts,
        repeated=row.repeated,
        batch=row.batch,
        recipient=row.recipient,
        reason=row.reason,
    )
