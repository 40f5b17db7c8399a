"""All SQL of revenue. Nothing here decides, and nothing commits."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from services.revenue.facts import LATEST, Learned, fact
from services.revenue.ledger import Booked
from services.revenue.movement import Movement
from services.revenue.retention import Balance
from shared.db import execute, fetch, fetch_one
from shared.events import SubscriptionSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime, tzinfo
    from typing import Any

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.revenue.facts import Fact
    from shared.events import Event


class Window(NamedTuple):
    """Two days whose evenings are compared, and the time of receipt up to which facts count."""

    first: date
    last: date
    known_at: datetime


async def add(conn: AsyncConnection, events: Sequence[tuple[Event, SubscriptionSnapshot]]) -> None:
    """Write snapshots as ones that no evaluation has seen; what is there, though its id is forgotten, stays as it is.

    The provider's raw object stays in the log of record.
    """
    await execute(
        conn,
        """with added as (
               insert into snapshot (event_key, account_id, source, event_id, effective, recorded, backfill, body)
               select k, a, s, i, e, r, b, d::jsonb from unnest($1::bytea[], $2::text[], $3::text[], $4::text[],
                   $5::timestamptz[], $6::timestamptz[], $7::bool[], $8::text[]) as given(k, a, s, i, e, r, b, d)
               on conflict do nothing returning account_id, event_key)
           insert into unseen (account_id, event_key) select account_id, event_key from added""",
        [event.key for event, _ in events],
        [event.subject for event, _ in events],
        [event.source for event, _ in events],
        [event.id for event, _ in events],
        [event.time for event, _ in events],
        [event.recordedtime for event, _ in events],
        [event.backfill for event, _ in events],
        [msgspec.json.encode(msgspec.structs.replace(data, raw=None)).decode() for _, data in events],
    )


async def facts(
    conn: AsyncConnection, accounts: Collection[str], zone: tzinfo, until: datetime = LATEST
) -> dict[str, list[Fact]]:
    """Return everything known of accounts that takes effect by `until`; those of which nothing is known are absent."""
    rows = await fetch(
        conn,
        """select account_id, source, event_id, effective, recorded, backfill, body::text as body
           from snapshot where account_id = any($1) and effective <= $2""",
        list(accounts),
        until,
    )
    found: dict[str, list[Fact]] = defaultdict(list)
    for row in rows:
        learned = Learned(row.source, row.event_id, row.effective, row.recorded, row.backfill)
        found[row.account_id].append(fact(learned, _SNAPSHOT.decode(row.body), zone))
    return found


async def see(conn: AsyncConnection, accounts: Collection[str]) -> None:
    """Note that the accounts' facts are about to be looked at; call it before `facts`, so that none slips through."""
    await execute(conn, "delete from unseen where account_id = any($1)", list(accounts))


async def look_ahead(conn: AsyncConnection, effects: Mapping[str, datetime | None]) -> None:
    """Keep when each account's ledger changes by itself; None: never."""
    await execute(conn, "delete from outlook where account_id = any($1)", list(effects))
    await execute(
        conn,
        """insert into outlook (account_id, next_effect)
           select a, e from unnest($1::text[], $2::timestamptz[]) as given(a, e) where e is not null""",
        list(effects),
        list(effects.values()),
    )


async def booked(conn: AsyncConnection, accounts: Collection[str]) -> dict[str, set[Booked]]:
    """Return the stored rows of accounts, those in force and those that were."""
    found: dict[str, set[Booked]] = defaultdict(set)
    for row in await fetch(conn, "select * from movement where account_id = any($1)", list(accounts)):
        found[row.account_id].add(_booked(row))
    return found


async def strike(conn: AsyncConnection, rows: Iterable[tuple[str, Booked]]) -> None:
    """Remove rows that turned out never to have been known so, or that are written anew with an end."""
    listed = list(rows)
    await execute(
        conn,
        """delete from movement m using unnest($1::text[], $2::text[], $3::date[], $4::text[], $5::timestamptz[])
               as gone(account_id, currency, effective_on, kind, recorded_at)
           where m.account_id = gone.account_id and m.currency = gone.currency and m.kind = gone.kind
               and m.effective_on = gone.effective_on and m.recorded_at = gone.recorded_at""",
        [account for account, _ in listed],
        [row.movement.currency for _, row in listed],
        [row.movement.effective_on for _, row in listed],
        [row.movement.kind for _, row in listed],
        [row.recorded_at for _, row in listed],
    )


async def book(conn: AsyncConnection, rows: Iterable[tuple[str, Booked]]) -> None:
    """Write rows."""
    body = [
        {
            "account_id": account,
            **row.movement._asdict(),
            "recorded_at": row.recorded_at,
            "superseded_at": row.superseded_at,
        }
        for account, row in rows
    ]
    await execute(
        conn,
        "insert into movement select * from jsonb_populate_recordset(null::movement, $1::jsonb)",
        msgspec.json.encode(body).decode(),
    )


async def outdated(conn: AsyncConnection, now: datetime) -> set[str]:
    """Return the accounts whose stored ledger does not contain everything that counts by `now`."""
    rows = await fetch(
        conn, "select account_id from unseen union select account_id from outlook where next_effect <= $1", now
    )
    return {row.account_id for row in rows}


async def balances(conn: AsyncConnection, window: Window, without: Collection[str]) -> list[Balance]:
    """Read balances off the stored ledger as it was known, for all accounts but those named."""
    rows = await fetch(
        conn,
        """select account_id, currency, coalesce(sum(amount) filter (where effective_on <= $1), 0) as opening,
                  sum(amount) as closing, bool_or(effective_on <= $1) as paid_before
           from movement
           where effective_on <= $2 and recorded_at <= $3 and (superseded_at is null or superseded_at > $3)
               and kind <> 'renewal' and account_id <> all($4)
           group by account_id, currency""",
        *window,
        list(without),
    )
    return [Balance(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


async def fingerprint(conn: AsyncConnection) -> str:
    """Hash the facts, without times of receipt. The ledger is a function of them, so it adds nothing but delay."""
    row = await fetch_one(
        conn,
        """select md5(coalesce(string_agg(md5(concat_ws(chr(31), encode(event_key, 'hex'), account_id,
                  extract(epoch from effective), backfill, body)), '' order by event_key), '')) as digest
           from snapshot""",
    )
    return str(row and row.digest)


def _booked(row: Row[Any]) -> Booked:
    values = {name: getattr(row, name) for name in Movement._fields}
    movement = Movement(**{**values, "event_ids": tuple(row.event_ids)})
    return Booked(movement, row.recorded_at, row.superseded_at)


_SNAPSHOT = msgspec.json.Decoder(SubscriptionSnapshot)
