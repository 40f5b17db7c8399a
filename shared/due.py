"""Which accounts must be looked at, and when: facts make them due, and so does time passing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.absorb import Due, DueAccount, Urgency
from shared.db import execute, fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.absorb import Evaluated


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon facts are looked at. Usage waits `usage_delay`, then at most one look per `usage_pause` and account.

    While records wait by the thousand, usage waits up to `usage_patience` more: a look now would be at half of it.
    """

    usage_delay: timedelta = timedelta(seconds=1)
    usage_pause: timedelta = timedelta(minutes=15)
    usage_patience: timedelta = timedelta(seconds=30)
    history_delay: timedelta = timedelta(minutes=1)


async def mark(conn: AsyncConnection, due: Iterable[Due], now: datetime, pace: Pace) -> None:
    """Make accounts due, the most urgent fact winning; never later than they already were.

    A row that would stay as it is gets locked and not written: under steady usage that is nearly every one.
    """
    urgent: dict[str, Due] = {}
    for each in due:
        known = urgent.get(each.account_id)
        if known is None or each.urgency < known.urgency:
            urgent[each.account_id] = each
    rows = [urgent[account] for account in sorted(urgent)]
    if not rows:
        return
    at = {
        Urgency.GRAVE: now,
        Urgency.USAGE: now + pace.usage_delay,
        Urgency.HISTORY: now + pace.history_delay,
    }
    await execute(
        conn,
        """insert into account_due as known (account_id, partition, due_at, urgency)
           select a, p, d, u from unnest($1::text[], $2::int[], $3::timestamptz[], $4::smallint[]) as r(a, p, d, u)
           on conflict (account_id) do update set
               partition = excluded.partition,
               urgency = least(known.urgency, excluded.urgency),
               due_at = least(known.due_at,
                   case when excluded.urgency = $5 then greatest(excluded.due_at, known.usage_after)
                        else excluded.due_at end)
           where known.partition <> excluded.partition or known.urgency is null or known.urgency > excluded.urgency
              or known.due_at > case when excluded.urgency = $5 then greatest(excluded.due_at, known.usage_after)
                                     else excluded.due_at end""",
        [row.account_id for row in rows],
        [row.partition for row in rows],
        [at[row.urgency] for row in rows],
        [int(row.urgency) for row in rows],
        int(Urgency.USAGE),
    )


async def hurry_history(conn: AsyncConnection, partitions: Sequence[int], now: datetime) -> None:
    """Make accounts due that wait for history alone: its stream has been read to the end."""
    await execute(
        conn,
        "update account_due set due_at = $2 where partition = any($1) and urgency = $3 and due_at > $2",
        list(partitions),
        now,
        int(Urgency.HISTORY),
    )


async def take(
    conn: AsyncConnection, partitions: Sequence[int], now: datetime, limit: int, *, usage_since: datetime | None = None
) -> list[DueAccount]:
    """Lock and return accounts that are due, the longest waiting first; those locked elsewhere are left out.

    Those that are due for usage alone must have been so since `usage_since`, where it is given.
    """
    rows = await fetch(
        conn,
        """select account_id, partition from account_due where partition = any($1) and due_at <= $2
              and (urgency is distinct from $4 or due_at <= $5)
           order by urgency nulls last, due_at limit $3 for update skip locked""",
        list(partitions),
        now,
        limit,
        int(Urgency.USAGE),
        usage_since or now,
    )
    return [DueAccount(row.account_id, row.partition) for row in rows]


async def settle(conn: AsyncConnection, evaluated: Sequence[Evaluated], now: datetime, pace: Pace) -> None:
    """Note that accounts were looked at: their next look, and the pause before usage alone calls for another."""
    await execute(
        conn,
        """update account_due set due_at = coalesce(d, 'infinity'), failures = 0, urgency = null,
               usage_after = case when urgency = $3 then $4 else usage_after end
           from unnest($1::text[], $2::timestamptz[]) as r(a, d) where account_id = a""",
        [each.account_id for each in evaluated],
        [each.next_look for each in evaluated],
        int(Urgency.USAGE),
        now + pace.usage_pause,
    )


async def postpone(conn: AsyncConnection, account_id: str, now: datetime) -> None:
    """Try an account that could not be evaluated again later, waiting longer each time (at most five minutes)."""
    await execute(
        conn,
        """update account_due set failures = failures + 1,
               due_at = $2::timestamptz
                        + least(interval '1 second' * power(2, least(failures, 10)), interval '5 minutes')
           where account_id = $1""",
        account_id,
        now,
    )
