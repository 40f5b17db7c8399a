"""SQL of keys and refusals, and the one way to a transaction: with a deadline, and "the database is down" set apart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from services.ingest.keys import WriteKey
from shared.db import execute, fetch
from shared.errors import NotReady
from shared.trouble import is_world_trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.db import Database

T = TypeVar("T")

DEADLINE_SECONDS: Final = 3.0


class Refused(NamedTuple):
    """A refused event as it came: `place` identifies it, `frame` is what a replay needs to know beside the bytes."""

    place: str
    event_id: str | None
    source: str
    code: str
    message: str
    frame: bytes
    raw: bytes
    replayable: bool


async def transact(database: Database, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do `work` in one transaction. Raises NotReady when the database is down, or silent for `DEADLINE_SECONDS`."""
    task = asyncio.ensure_future(_in_transaction(database, work))
    # Waited for from outside: a driver whose server is frozen hangs in its roll-back, which no timeout would interrupt.
    done, _ = await asyncio.wait({task}, timeout=DEADLINE_SECONDS)
    if not done:
        task.cancel()
        task.add_done_callback(_retrieve)
        raise NotReady("The database does not answer. Send again.", code="database_down")
    try:
        return task.result()
    except Exception as error:
        if is_world_trouble(error):
            raise NotReady("The database is not available. Send again.", code="database_down") from error
        raise


async def _in_transaction(database: Database, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async with database.transaction() as conn:
        return await work(conn)


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


async def refuse(conn: AsyncConnection, letters: Sequence[Refused], now: datetime) -> None:
    """Write dead letters; the same bytes from the same source again are one."""
    await execute(
        conn,
        """insert into dead_letter (place, event_id, source, code, message, record_key, record_value, replayable,
                                    refused_at)
           select *, $9::timestamptz
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[],
                       $8::boolean[])
           on conflict (place) do update set code = excluded.code, message = excluded.message,
                                             refused_at = excluded.refused_at, replayed_at = null""",
        *columns(sorted({each.place: each for each in letters}.values()), 8),
        now,
    )


async def prune(conn: AsyncConnection, before: datetime, most: int) -> int:
    """Forget dead letters from before a moment, and the oldest over `most`; return how many."""
    return await execute(
        conn,
        """delete from dead_letter where refused_at < $1
           or id <= (select id from dead_letter order by id desc offset $2 limit 1)""",
        before,
        most,
    )


async def live_keys(conn: AsyncConnection) -> list[WriteKey]:
    """Return every key that is not revoked."""
    rows = await fetch(conn, "select id, digest, source, scopes from write_key where revoked_at is null")
    return [WriteKey(row.id, bytes(row.digest), row.source, frozenset(row.scopes)) for row in rows]


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Turn rows into columns, as `unnest` wants them."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
