"""All SQL about facts and people, and the loading of everything that is known of accounts."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.health import usage_store
from services.health.facts import AccountFacts, account_facts
from services.health.stored import Row, Split, aliases, fact_of
from shared.db import execute, fetch, fetch_one
from shared.events import Event

LOOK_BACK = timedelta(days=500)
"""How much usage is loaded before the moment that is asked about; no rule looks further back."""


async def number_persons(conn: AsyncConnection, people: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], int]:
    """Return the number that stands for each (account, person id), giving one to those who have none."""
    pairs = sorted(people)
    known = await _numbers(conn, pairs)
    if len(known) < len(pairs):
        new = [pair for pair in pairs if pair not in known]
        rows = await fetch(
            conn,
            """insert into person (account_id, person_id) select * from unnest($1::text[], $2::text[])
               on conflict do nothing returning account_id, person_id, number""",
            [account for account, _ in new],
            [person for _, person in new],
        )
        known |= {(row.account_id, row.person_id): row.number for row in rows}
    return known


async def add_facts(
    conn: AsyncConnection, facts: Sequence[tuple[Event, Split]], numbers: Mapping[tuple[str, str], int]
) -> None:
    """Append facts. An event that is already there is left as it is, however long ago it came."""
    if not facts:
        return
    rows = [_fact_row(event, parts, numbers) for event, parts in facts]
    await execute(
        conn,
        """insert into fact
               (event_key, account_id, type, effective_at, recorded_at, source, event_id, backfill, person, data)
           select k, a, t, e, r, s, i, b, p, d::jsonb
           from unnest($1::bytea[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                       $7::text[], $8::boolean[], $9::bigint[], $10::text[]) as r(k, a, t, e, r, s, i, b, p, d)
           on conflict do nothing""",
        *map(list, zip(*rows, strict=True)),
    )
    private = [
        (row[0], row[8], json.dumps(parts.personal))
        for row, (_, parts) in zip(rows, facts, strict=True)
        if parts.personal
    ]
    if private:
        await execute(
            conn,
            """insert into personal (event_key, person, data)
               select k, p, d::jsonb from unnest($1::bytea[], $2::bigint[], $3::text[]) as r(k, p, d)
               on conflict do nothing""",
            *map(list, zip(*private, strict=True)),
        )


async def load(
    conn: AsyncConnection, accounts: Sequence[str], zone: tzinfo, since: date, known_at: datetime | None = None
) -> Mapping[str, AccountFacts]:
    """Return what was known of accounts at `known_at` (None: now), usage from `since` on; unknown ones are absent."""
    rows = await _fact_rows(conn, accounts, known_at)
    usage = await usage_store.days(conn, accounts, since, known_at)
    by_account: dict[str, list[Row]] = {}
    for account, row in rows:
        by_account.setdefault(account, []).append(row)
    loaded = {}
    for account in sorted({*by_account, *usage}):
        found = by_account.get(account, [])
        same = aliases(found)
        log = [fact for row in found if (fact := fact_of(row, same)) is not None]
        usage_days = [tally.on(day, same) for day, tally in usage.get(account, [])]
        loaded[account] = account_facts(account, zone, log, usage_days)
    return loaded


async def same_persons_of(conn: AsyncConnection, account: str, known_at: datetime | None) -> Mapping[int, int]:
    """Return who was known to be the same person."""
    return aliases(row for _, row in await _fact_rows(conn, [account], known_at))


async def is_known(conn: AsyncConnection, account: str) -> bool:
    """Tell whether anything was ever said about an account."""
    row = await fetch_one(
        conn,
        """select exists(select from fact where account_id = $1)
               or exists(select from usage_day where account_id = $1)""",
        account,
    )
    return bool(row and row[0])


async def fingerprint(conn: AsyncConnection) -> str:
    """Return a hash of all facts, without clocks, receipt times, surrogate numbers and the order of rows.

    Usage is added up per account, person id, day, kind, product, actor and outcome, however it was batched.
    """
    row = await fetch_one(
        conn,
        """with line(said) as (
               select concat_ws(chr(31), 'fact', f.account_id, f.type, extract(epoch from f.effective_at), f.source,
                                f.event_id, f.backfill, p.person_id, (f.data - 'previous')::text, o.person_id,
                                s.data::text)
               from fact f left join personal s using (event_key) left join person p on p.number = f.person
                    left join person o on o.number = (f.data ->> 'previous')::bigint
               union all
               select concat_ws(chr(31), 'usage', u.account_id, p.person_id, u.day, u.kind,
                                coalesce(u.product, chr(30)), u.actor, u.outcome, trim_scale(sum(u.quantity)),
                                sum(u.calls))
               from usage_delta u join person p on p.number = u.person
               group by u.account_id, p.person_id, u.day, u.kind, u.product, u.actor, u.outcome
           )
           select md5(concat_ws(' ', count(*), sum(hashtextextended(said, 0)::numeric),
                                     sum(hashtextextended(said, 1)::numeric))) from line""",
    )
    return str(row[0]) if row else ""


async def _numbers(conn: AsyncConnection, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the numbers of those that have one. One text there, one array back: rows would cost the driver more."""
    row = await fetch_one(
        conn,
        """select array_agg(number order by place) as numbers
           from json_array_elements($1::json) with ordinality as wanted(pair, place)
                left join person on account_id = pair ->> 0 and person_id = pair ->> 1""",
        msgspec.json.encode(pairs).decode(),
    )
    numbers = row.numbers if row else ()
    return {pair: number for pair, number in zip(pairs, numbers, strict=True) if number is not None}


def _fact_row(event: Event, parts: Split, numbers: Mapping[tuple[str, str], int]) -> tuple[Any, ...]:
    persons = {name: numbers[(event.subject, person)] for name, person in parts.persons.items()}
    data = {**parts.data, "previous": persons["previous_id"]} if "previous_id" in persons else parts.data
    person = persons.get("contact_id", persons.get("person_id"))
    stamp = (
        event.key,
        event.subject,
        event.type,
        event.time,
        event.recordedtime,
        event.source,
        event.id,
        event.backfill,
    )
    return (*stamp, person, json.dumps(data))


async def _fact_rows(
    conn: AsyncConnection, accounts: Sequence[str], known_at: datetime | None
) -> list[tuple[str, Row]]:
    rows = await fetch(
        conn,
        """select f.account_id, f.type, f.effective_at, f.recorded_at, f.source, f.event_id, f.backfill, f.person,
                  p.person_id, f.data || coalesce(s.data, '{}') as data
           from fact f left join personal s using (event_key) left join person p on p.number = f.person
           where f.account_id = any($1) and ($2::timestamptz is null or f.recorded_at <= $2)""",
        list(accounts),
        known_at,
    )
    return [_read(row) for row in rows]


def _read(row: Sequence[Any]) -> tuple[str, Row]:
    cells = dict(zip(Row.__slots__, row[1:], strict=True))
    return row[0], Row(**cells | {"data": json.loads(cells["data"])})
