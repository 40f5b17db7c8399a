"""All SQL about persons: who is the same person, and to which account a person belonged when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from services.ingest.identity import People
from services.ingest.store import columns
from shared.db import execute, fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

ACCOUNT_RULE: Final = """
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

_ACCOUNTS: Final = ACCOUNT_RULE.join(
    (
        """select coalesce(before.account_id, after.account_id) as account_id
           from unnest($1::text[], $2::timestamptz[]) with ordinality as w(person_id, at, n)""",
        " order by w.n",
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


async def remember(conn: AsyncConnection, memberships: Iterable[Membership]) -> None:
    """Write memberships; the same again is one."""
    rows = sorted(set(memberships))  # sorted, so that two requests never wait for one another crosswise
    await execute(
        conn,
        """insert into membership (person_id, at, account_id)
           select * from unnest($1::text[], $2::timestamptz[], $3::text[]) on conflict do nothing""",
        *columns(rows, 3),
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
        *columns(list({alias[:2]: alias for alias in aliases}.values()), 3),
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
    rows = await fetch(conn, _ACCOUNTS, *columns(wanted, 2))
    return [row.account_id for row in rows]
