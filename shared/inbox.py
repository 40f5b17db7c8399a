"""The inbox: which events have been counted.

Ids of live events live in weekly generations that are dropped whole; ids of marked history are kept for good. One
writer per partition (see `shared.leases`) makes look-up-then-insert safe.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import DBAPIError

from shared.db import execute, fetch
from shared.partitioned import open_partitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.db import Database

log = structlog.get_logger()

KEPT_DAYS = 30
LOCKED: Final = "55P03"
AHEAD_WEEKS = 1
TIDY_AGAIN = timedelta(minutes=1)

# Keys travel in one piece, since in an array each would cost more in the driver than its look-up in the database; and
# sorted, since neighbours in the index are cheaper than as many places all over it.
_EACH = "from (select substring($1::bytea from n for 16) from generate_series(1, length($1::bytea), 16) n) as each(k)"
_SEEN = f"""select key from inbox where key = any(array(select k {_EACH}))
            union all select key from inbox_history where key = any(array(select k {_EACH}))"""  # noqa: S608 - constants
_NEW_LIVE = f"insert into inbox (key, week) select k, $2 {_EACH}"
_NEW_HISTORY = f"insert into inbox_history (key) select k {_EACH}"


def week_of(moment: datetime) -> date:
    """Return the Monday that begins the generation of `moment` (UTC)."""
    day = moment.date()
    return day - timedelta(days=day.weekday())


class Inbox:
    """Claims event keys (16 bytes each) inside the caller's transaction."""

    def __init__(self, time_scale: int = 1) -> None:
        self._time_scale = time_scale
        self._ready_for: date | None = None
        self._tidy_at: datetime | None = None  # when generations past their time are to be dropped

    async def claim(
        self, conn: AsyncConnection, live: Sequence[bytes], history: Sequence[bytes], now: datetime
    ) -> set[bytes]:
        """Record keys that were never seen and return them. Keys must be unique within the call."""
        rows = await fetch(conn, _SEEN, b"".join(sorted([*live, *history])))
        seen = {bytes(row.key) for row in rows}
        fresh_live = sorted(key for key in live if key not in seen)
        fresh_history = sorted(key for key in history if key not in seen)
        if fresh_live:
            await execute(conn, _NEW_LIVE, b"".join(fresh_live), self._week(now))
        if fresh_history:
            await execute(conn, _NEW_HISTORY, b"".join(fresh_history))
        return {*fresh_live, *fresh_history}

    async def open_generation(self, database: Database, now: datetime) -> None:
        """Make sure that the week of `now` and the next have their tables; drop those past their time.

        In transactions of their own: a batch that rolls back must not take its generation along. A dump that runs holds
        up the dropping, which is tried again later, and nothing else.
        """
        current = self._week(now)
        if self._ready_for != current:
            async with database.transaction() as conn:
                await open_partitions(
                    conn, "inbox", dict(_span(current + timedelta(weeks=n)) for n in range(AHEAD_WEEKS + 1))
                )
            self._ready_for, self._tidy_at = current, now
        if self._tidy_at is not None and self._tidy_at <= now:
            self._tidy_at = None if await _tidied(database, current) else now + TIDY_AGAIN

    def _week(self, now: datetime) -> date:
        """Return the generation of `now`. Scaled from the Monday on, it is the same for all replicas and restarts."""
        monday = datetime.combine(week_of(now), time(), now.tzinfo)
        return week_of(monday + (now - monday) * self._time_scale)


def _span(monday: date) -> tuple[str, tuple[date, date]]:
    return f"inbox_{monday:%Y%m%d}", (monday, monday + timedelta(weeks=1))


async def _tidied(database: Database, current: date) -> bool:
    """Drop generations past their time; False where somebody who reads them does not let go."""
    before, _ = _span(current - timedelta(days=KEPT_DAYS + 7))
    try:
        async with database.transaction() as conn:
            rows = await fetch(
                conn,
                """select c.relname, set_config('lock_timeout', '1s', true) from pg_inherits i
                   join pg_class c on c.oid = i.inhrelid where i.inhparent = 'inbox'::regclass and c.relname < $1""",
                before,
            )
            for row in rows:
                await execute(conn, f"drop table if exists {row.relname}")
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCKED:
            raise
        log.warning("inbox_waits", generations=[row.relname for row in rows])
        return False
    return True


async def counted(conn: AsyncConnection, key: bytes) -> bool:
    """Tell whether an event was counted by this service."""
    rows = await fetch(
        conn, "select 1 from inbox where key = $1 union all select 1 from inbox_history where key = $1", key
    )
    return bool(rows)
