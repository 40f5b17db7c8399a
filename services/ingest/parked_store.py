"""All SQL about events that wait for their person's account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from services.ingest.person_store import ACCOUNT_RULE
from services.ingest.store import columns
from shared.db import execute, fetch, fetch_one

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

CATCH_UP: Final = 500
LOOK_OVER: Final = 2000

# Both look for accounts only once they have cut a page: to find out of every event that waits may take longer than a
# transaction has.
_KNOWN: Final = ACCOUNT_RULE.join(
    (
        """select w.source, w.event_id, w.person_id, coalesce(before.account_id, after.account_id) is not null as known
           from (select source, event_id, person_id, at from parked where (source, event_id) > ($1, $2)
                 order by source, event_id limit $3) w""",
        " order by w.source, w.event_id",
    )
)
_WAITING: Final = ACCOUNT_RULE.join(
    (
        """select w.source, w.event_id, w.at, w.event, coalesce(before.account_id, after.account_id) as account_id
           from (select * from parked
                 where (person_id = any($1::text[]) or person_id in (
                           select p.person_id from person p
                           where p.root in (select q.root from person q where q.person_id = any($1))))
                   and (at, source, event_id) > ($2, $3, $4)
                 order by at, source, event_id limit $5) w""",
        " order by w.at, w.source, w.event_id",
    )
)


class Parked(NamedTuple):
    """An event that waits for its person's account."""

    source: str
    event_id: str
    event_type: str
    person_id: str
    at: datetime
    event: bytes


async def park(conn: AsyncConnection, events: Sequence[Parked], now: datetime, most: int) -> list[bool]:
    """Write events that wait; for each, whether it waits now. False: `most` events wait already."""
    keys = [(each.source, each.event_id) for each in events]
    rows = await fetch(
        conn,
        """select source, event_id from parked join unnest($1::text[], $2::text[]) as k(source, event_id)
           using (source, event_id)""",
        *columns(keys, 2),
    )
    waiting = {tuple(row) for row in rows}
    room = most - await parked_count(conn)
    new: dict[tuple[str, str], Parked] = {}
    for key, each in zip(keys, events, strict=True):
        if key not in waiting and key not in new and len(new) < room:
            new[key] = each
    await execute(
        conn,
        """insert into parked (source, event_id, event_type, person_id, at, event, parked_at)
           select *, $7::timestamptz
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[])
           on conflict do nothing""",
        *columns([new[key] for key in sorted(new)], 6),
        now,
    )
    return [key in waiting or key in new for key in keys]


async def parked_count(conn: AsyncConnection) -> int:
    """Return how many events wait."""
    row = await fetch_one(conn, "select count(*) from parked")
    return int(row[0]) if row else 0


async def known(conn: AsyncConnection, after: tuple[str, str]) -> list[Row[Any]]:
    """Look over the next `LOOK_OVER` events by source and id: whose they are, and whether an account is `known`."""
    return await fetch(conn, _KNOWN, *after, LOOK_OVER)


async def waiting(conn: AsyncConnection, persons: Sequence[str], after: tuple[datetime, str, str]) -> list[Row[Any]]:
    """Return the next `CATCH_UP` events of persons (by any of their ids) by time, each with its account or None."""
    return await fetch(conn, _WAITING, persons, *after, CATCH_UP)


async def expired(conn: AsyncConnection, before: datetime) -> list[Row[Any]]:
    """Return up to `CATCH_UP` events that wait since before a moment, oldest first."""
    return await fetch(
        conn,
        "select source, event_id, event from parked where parked_at < $1 order by parked_at limit $2",
        before,
        CATCH_UP,
    )


async def unpark(conn: AsyncConnection, keys: Sequence[tuple[str, str]]) -> None:
    """Forget events that wait no longer."""
    await execute(
        conn,
        """delete from parked using unnest($1::text[], $2::text[]) as k(source, event_id)
           where parked.source = k.source and parked.event_id = k.event_id""",
        *columns(keys, 2),
    )
