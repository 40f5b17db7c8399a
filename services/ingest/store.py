"""All SQL of ingest, and the one way to a transaction: with a deadline, and with "the database is down" told apart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from services.ingest.identity import People
from services.ingest.keys import WriteKey
from shared.db import execute, fetch, fetch_one
from shared.errors import NotReady
from shared.trouble import is_world_trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.db import Database

T = TypeVar("T")

DEADLINE_SECONDS: Final = 3.0
CATCH_UP: Final = 500

_RULE: Final = """
    cross join lateral (
        select array(
            select p.person_id from person p
            where p.root = (select q.root from person q where q.person_id = w.person_id)
            union select w.person_id
        ) as ids
    ) same
    left join lateral (
        select m.account_id from membership m
        where m.person_id = any(same.ids) and m.at <= w.at order by m.at desc, m.account_id desc limit 1
    ) before on true
    left join lateral (
        select m.account_id from membership m
        where m.person_id = any(same.ids) and m.at > w.at order by m.at, m.account_id limit 1
    ) after on true"""
"""The account of an event: that of the person's group call latest at or before its time, else the earliest after it."""

_ACCOUNTS: Final = _RULE.join(
    (
        """select coalesce(before.account_id, after.account_id) as account_id
           from unnest($1::text[], $2::timestamptz[]) with ordinality as w(person_id, at, n)""",
        " order by w.n",
    )
)
_RELEASABLE: Final = _RULE.join(
    (
        """select w.source, w.event_id, w.event, coalesce(before.account_id, after.account_id) as account_id
           from parked w""",
        """
           where ($1::text[] is null or w.person_id = any($1) or w.person_id in (
                     select p.person_id from person p
                     where p.root in (select q.root from person q where q.person_id = any($1))))
             and coalesce(before.account_id, after.account_id) is not null
           order by w.at, w.source, w.event_id limit $2""",
    )
)


class Membership(NamedTuple):
    """What a group call says: the person belongs to the account from `at` on."""

    person_id: str
    at: datetime
    account_id: str


class Alias(NamedTuple):
    """What an alias call says; `event` is the CloudEvent for it, still without an account."""

    previous_id: str
    person_id: str
    event: bytes


class Parked(NamedTuple):
    """An event that waits for its person's account."""

    source: str
    event_id: str
    event_type: str
    person_id: str
    at: datetime
    event: bytes


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


async def remember(conn: AsyncConnection, memberships: Iterable[Membership]) -> None:
    """Write memberships; the same again is one."""
    rows = sorted(set(memberships))  # sorted, so that two requests never wait for one another crosswise
    await execute(
        conn,
        """insert into membership (person_id, at, account_id)
           select * from unnest($1::text[], $2::timestamptz[], $3::text[]) on conflict do nothing""",
        *_columns(rows, 3),
    )


async def people(conn: AsyncConnection, ids: Sequence[str]) -> People:
    """Return what is known of the ids, and let nobody else change who is who until this transaction ends."""
    await execute(conn, "select pg_advisory_xact_lock(hashtext('ingest.person'))")
    rows = await fetch(
        conn,
        """select p.person_id, p.root, (select count(*) from person g where g.root = p.root) as size
           from person p where p.person_id = any($1::text[])""",
        ids,
    )
    return People({row.person_id: row.root for row in rows}, {row.root: row.size for row in rows})


async def merge(conn: AsyncConnection, known: People, aliases: Sequence[Alias]) -> None:
    """Write alias calls that were joined in `known`."""
    moved = known.moved()
    await execute(
        conn,
        """update person set root = m.new from unnest($1::text[], $2::text[]) as m(old, new) where root = m.old""",
        list(moved),
        list(moved.values()),
    )
    ids = sorted({each for alias in aliases for each in alias[:2]})
    await execute(
        conn,
        """insert into person (person_id, root) select * from unnest($1::text[], $2::text[])
           on conflict (person_id) do update set root = excluded.root""",
        ids,
        [known.root(each) for each in ids],
    )
    await execute(
        conn,
        """insert into alias (previous_id, person_id, event)
           select * from unnest($1::text[], $2::text[], $3::bytea[]) on conflict do nothing""",
        *_columns(list({alias[:2]: alias for alias in aliases}.values()), 3),
    )


async def aliases_to_tell(
    conn: AsyncConnection, aliased: Sequence[str], joined: Sequence[Membership]
) -> list[Row[Any]]:
    """Return (event, account_id) of every alias that an account may not have heard of.

    Of persons `aliased` just now: all their aliases for all their accounts; of those who `joined` an account: for that.
    """
    return await fetch(
        conn,
        """with touched as (
               select p.root, null::text as account_id from person p where p.person_id = any($1::text[])
               union
               select p.root, j.account_id
               from unnest($2::text[], $3::text[]) as j(person_id, account_id) join person p using (person_id)
           ), told as (
               select distinct t.root, m.account_id
               from touched t join person p using (root) join membership m using (person_id)
               where t.account_id is null or t.account_id = m.account_id
           )
           select a.event, told.account_id
           from told join person p using (root) join alias a using (person_id)""",
        aliased,
        [each.person_id for each in joined],
        [each.account_id for each in joined],
    )


async def accounts(conn: AsyncConnection, wanted: Sequence[tuple[str, datetime]]) -> list[str | None]:
    """Return the account of each (person, time), None where the person belongs to none."""
    rows = await fetch(conn, _ACCOUNTS, *_columns(wanted, 2))
    return [row.account_id for row in rows]


async def park(conn: AsyncConnection, events: Sequence[Parked], now: datetime, most: int) -> list[bool]:
    """Write events that wait; for each, whether it waits now. False: `most` events wait already."""
    keys = [(each.source, each.event_id) for each in events]
    rows = await fetch(
        conn,
        """select source, event_id from parked join unnest($1::text[], $2::text[]) as k(source, event_id)
           using (source, event_id)""",
        *_columns(keys, 2),
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
        *_columns([new[key] for key in sorted(new)], 6),
        now,
    )
    return [key in waiting or key in new for key in keys]


async def parked_count(conn: AsyncConnection) -> int:
    """Return how many events wait."""
    row = await fetch_one(conn, "select count(*) from parked")
    return int(row[0]) if row else 0


async def releasable(conn: AsyncConnection, persons: Sequence[str] | None) -> list[Row[Any]]:
    """Return up to `CATCH_UP` waiting events with their accounts: of some persons (by any of their ids), or of all."""
    return await fetch(conn, _RELEASABLE, persons, CATCH_UP)


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
        *_columns(keys, 2),
    )


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
        *_columns(sorted({each.place: each for each in letters}.values()), 8),
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


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
