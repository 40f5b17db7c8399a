"""All SQL about usage: deltas and days in, days and counts out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.health.usage import Delta, DeltaKey, Tally, tallies
from shared.db import execute, fetch, fetch_one
from shared.partitioned import open_partitions


async def add_usage(
    conn: AsyncConnection, grouped: Mapping[DeltaKey, tuple[Decimal, int]], numbers: Mapping[tuple[str, str], int]
) -> None:
    """Append deltas and bring their days up to date. `numbers` stand for (account, person id).

    Relies on one writer per account: a day is read, added to and written back.
    """
    if not grouped:
        return
    deltas = [_delta(key, amount, numbers) for key, amount in grouped.items()]
    await _open_months(conn, {delta.day for delta in deltas})
    await _append(conn, grouped, deltas)
    known = await _known(conn, {(delta.account_id, delta.day) for delta in deltas})
    await _write_days(conn, tallies(deltas, known))


async def days(
    conn: AsyncConnection, accounts: Sequence[str], since: date, known_at: datetime | None
) -> dict[str, list[tuple[date, Tally]]]:
    """Return by account the days from `since` on, and its first day, as they were known at `known_at` (None: now)."""
    changed = await _changed_since(conn, accounts, known_at) if known_at else set()
    # one JSON text an account: ten times as fast as a row a day through the driver
    rows = await fetch(
        conn,
        f"""select account_id, json_agg({_CELLS_OF_DAY} order by day)::text as days
           from usage_day u where account_id = any($1)
               and (day >= $2 or day = (select min(day) from usage_day f where f.account_id = u.account_id))
           group by account_id""",  # noqa: S608 - a constant of this file
        [account for account in accounts if account not in changed],
        since,
    )
    found = {row.account_id: [(cells[0], Tally(*cells[1:])) for cells in _DAYS.decode(row.days)] for row in rows}
    if known_at and changed:
        for (account, day), tally in (await _days_as_known(conn, sorted(changed), since, known_at)).items():
            found.setdefault(account, []).append((day, tally))
    return found


async def counts(
    conn: AsyncConnection, account: str, first: date, last: date, known_at: datetime | None
) -> Sequence[Row[Any]]:
    """Return day, event, actor, persons (numbers), quantity, calls, errors of an account's days, both ends included."""
    return await fetch(
        conn,
        """select day, kind as event, actor, array_agg(distinct person) as persons, sum(quantity) as quantity,
                  sum(calls) as calls, sum(calls) filter (where outcome = 'error') as errors
           from usage_delta where account_id = $1 and day between $2 and $3
                and ($4::timestamptz is null or recorded <= $4)
           group by day, kind, actor order by day, kind, actor""",
        account,
        first,
        last,
        known_at,
    )


_CELLS_OF_DAY = "json_build_array(day, persons, events, quantity::text, errors, calls, live_at, history_at)"
_Cells = tuple[date, set[int], dict[str, int], Decimal, int, int, datetime | None, datetime | None]
_DAYS = msgspec.json.Decoder(list[_Cells])
_KNOWN = msgspec.json.Decoder(list[tuple[str, _Cells]])


async def _known(conn: AsyncConnection, wanted: Collection[tuple[str, date]]) -> dict[tuple[str, date], Tally]:
    row = await fetch_one(
        conn,
        f"""select json_agg(json_build_array(account_id, {_CELLS_OF_DAY}))::text
            from usage_day join json_to_recordset($1::json) as wanted(account_id text, day date)
                 using (account_id, day)""",  # noqa: S608 - a constant of this file
        msgspec.json.encode([{"account_id": account, "day": day} for account, day in sorted(wanted)]).decode(),
    )
    if row is None or row[0] is None:
        return {}
    return {(account, cells[0]): Tally(*cells[1:]) for account, cells in _KNOWN.decode(row[0])}


async def _changed_since(conn: AsyncConnection, accounts: Sequence[str], known_at: datetime) -> set[str]:
    rows = await fetch(
        conn,
        """select distinct account_id from usage_day
           where account_id = any($1) and greatest(live_at, history_at) > $2""",
        list(accounts),
        known_at,
    )
    return {row.account_id for row in rows}


async def _days_as_known(
    conn: AsyncConnection, accounts: Sequence[str], since: date, known_at: datetime
) -> dict[tuple[str, date], Tally]:
    """Add the deltas up again that had been received by then."""
    rows = await fetch(
        conn,
        """select account_id, person, day, kind, actor, outcome, quantity, calls, recorded, backfill
           from usage_delta d where account_id = any($1) and recorded <= $3
            and (day >= $2 or day = (
                select min(day) from usage_delta f where f.account_id = d.account_id and f.recorded <= $3))""",
        list(accounts),
        since,
        known_at,
    )
    return tallies((Delta._make(row) for row in rows), {})


def _delta(key: DeltaKey, amount: tuple[Decimal, int], numbers: Mapping[tuple[str, str], int]) -> Delta:
    number = numbers[(key.account_id, key.person)]
    account, day, (quantity, calls) = key.account_id, key.day, amount
    return Delta(account, number, day, key.kind, key.actor, key.outcome, quantity, calls, key.recorded, key.backfill)


async def _append(conn: AsyncConnection, keys: Iterable[DeltaKey], deltas: Sequence[Delta]) -> None:
    """Copy the rows in: measured at less than half the time of an insert. Joins the transaction that is open."""
    driver = (await conn.get_raw_connection()).driver_connection
    if driver is None or not driver.is_in_transaction():
        raise RuntimeError("usage is appended inside a transaction: read from the connection first")
    await driver.copy_records_to_table(
        "usage_delta",
        columns=[*Delta._fields, "product"],
        records=[(*d, k.product) for d, k in zip(deltas, keys, strict=True)],
    )


async def _write_days(conn: AsyncConnection, found: Mapping[tuple[str, date], Tally]) -> None:
    """Store days whole. They travel as one JSON text: as ten arrays they would cost the driver three times as much."""
    days = [
        {"account_id": account, "day": day, **{name: getattr(tally, name) for name in Tally.__slots__}}
        for (account, day), tally in sorted(found.items(), key=_place)
    ]
    await execute(
        conn,
        """insert into usage_day (account_id, day, persons, events, quantity, errors, calls, live_at, history_at)
            select account_id, day, persons, events, quantity, errors, calls, live_at, history_at
            from json_populate_recordset(null::usage_day, $1::json)
            on conflict (account_id, day) do update set persons = excluded.persons, events = excluded.events,
                quantity = excluded.quantity, errors = excluded.errors, calls = excluded.calls,
                live_at = excluded.live_at, history_at = excluded.history_at""",
        msgspec.json.encode(days).decode(),
    )


def _place(entry: tuple[tuple[str, date], Tally]) -> tuple[str, date]:
    return entry[0]


async def _open_months(conn: AsyncConnection, wanted: Collection[date]) -> None:
    months = {f"usage_delta_{day:%Y%m}": day.replace(day=1) for day in wanted}
    after = {name: (first + timedelta(days=31)).replace(day=1) for name, first in months.items()}
    await open_partitions(conn, "usage_delta", {name: (first, after[name]) for name, first in months.items()})
