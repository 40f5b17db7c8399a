"""The SQL behind ingest's API: keys and their life, what waits, what is kept, and the fingerprint of it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from shared.db import execute, fetch, fetch_one

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.ingest.keys import WriteKey

REMEMBERED: Final = "kizuna.contact.upserted"
"""Who a person is waits without being reported as parked."""

_FACTS: Final = {
    "membership": "select concat_ws(chr(31), person_id, extract(epoch from at), account_id) as fact from membership",
    "person": "select concat_ws(chr(31), person_id, root) as fact from person",
    "alias": "select concat_ws(chr(31), previous_id, person_id) as fact from alias",
    "parked": """select concat_ws(chr(31), source, event_id, event_type, person_id, extract(epoch from at)) as fact
                 from parked""",
}
_MIX: Final = ("select count(*) as n, coalesce(sum(hashtextextended(fact, 0)::numeric), 0) as mix from (", ") as facts")


async def add_key(conn: AsyncConnection, key: WriteKey, name: str | None, by: str, at: datetime) -> None:
    """Write a new key."""
    await execute(
        conn,
        """insert into write_key (id, digest, name, source, scopes, created_at, created_by)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        key.id,
        key.digest,
        name,
        key.source,
        sorted(key.scopes),
        at,
        by,
    )


async def list_keys(conn: AsyncConnection, after: str, limit: int) -> list[Row[Any]]:
    """Return keys with an id after `after`, without their digests, revoked ones included."""
    return await fetch(
        conn,
        """select id, name, source, scopes, created_at, created_by, revoked_at, revoked_by
           from write_key where id > $1 order by id limit $2""",
        after,
        limit,
    )


async def revoke_key(conn: AsyncConnection, key_id: str, by: str, at: datetime) -> bool:
    """Revoke a key; the first revocation is kept. False when there is no such key."""
    return bool(
        await execute(
            conn,
            """update write_key set revoked_at = coalesce(revoked_at, $2), revoked_by = coalesce(revoked_by, $3)
               where id = $1""",
            key_id,
            at,
            by,
        )
    )


async def list_parked(conn: AsyncConnection, after: Sequence[str], limit: int) -> list[Row[Any]]:
    """Return events that wait, after a (source, id), in that order."""
    return await fetch(
        conn,
        """select person_id, source, event_id, event_type, at, parked_at from parked
           where (source, event_id) > ($1, $2) and event_type <> $3 order by source, event_id limit $4""",
        *after,
        REMEMBERED,
        limit,
    )


async def parked_event(conn: AsyncConnection, event_id: str, source: str | None) -> Row[Any] | None:
    """Return the event with that id if it waits."""
    return await fetch_one(
        conn,
        """select event_type, person_id, parked_at from parked
           where event_id = $1 and ($2::text is null or source = $2) order by parked_at desc limit 1""",
        event_id,
        source,
    )


async def counts(conn: AsyncConnection) -> dict[str, Any]:
    """Return how much of each kind is kept."""
    row = await fetch_one(
        conn,
        """select (select count(*) from parked where event_type <> $1) as parked,
                  (select count(*) from parked where event_type = $1) as remembered,
                  (select count(*) from dead_letter) as dead_letters,
                  (select count(*) from dead_letter where replayed_at is null) as dead_letters_waiting,
                  (select count(*) from membership) as memberships""",
        REMEMBERED,
    )
    return row._asdict() if row else {}


async def fingerprint(conn: AsyncConnection) -> str:
    """Return a hash of who belongs where and what waits, without clocks, receipt times and secrets."""
    parts = []
    for table, facts in _FACTS.items():
        row = await fetch_one(conn, facts.join(_MIX))
        parts.append(f"{table} {row.n} {row.mix}" if row else table)
    return sha256("\n".join(parts).encode()).hexdigest()


async def replayable(
    conn: AsyncConnection, reason: str | None, ids: Sequence[int] | None, after: int
) -> list[Row[Any]]:
    """Return up to 100 dead letters after an id that may be tried again."""
    return await fetch(
        conn,
        """select id, record_key, record_value from dead_letter
           where id > $3 and replayed_at is null and replayable
             and ($1::text is null or code = $1) and ($2::bigint[] is null or id = any($2))
           order by id limit 100""",
        reason,
        ids,
        after,
    )


async def mark_replayed(conn: AsyncConnection, ids: Sequence[int], at: datetime) -> None:
    """Note that dead letters found their way."""
    await execute(conn, "update dead_letter set replayed_at = $2 where id = any($1::bigint[])", ids, at)
