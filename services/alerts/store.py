"""All SQL about facts and alerts. (Deliveries have theirs in `queue.py`.) Nothing here decides, and nothing commits."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from services.alerts.directory import Dated, Facts, Person
from services.alerts.episode import Act, Alert, Said
from shared.db import execute, fetch, fetch_one
from shared.events import Event, OwnerAssigned, Signal, SignalCleared, SubscriptionSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.events import AccountProfiled

USED_PROFILE = ("name", "tier", "renewal_on")


@dataclass(frozen=True, slots=True)
class Stored:
    """An alert as it lies in the table, with what the row alone knows."""

    alert: Alert
    partition: int
    announced: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a list shows. `after` is (opened_at, id) of the last one of the page before."""

    account: str | None = None
    state: str | None = None
    signal: str | None = None
    owner: str | None = None
    after: tuple[datetime, str] | None = None


async def add_signals(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Write signal events."""
    await execute(
        conn,
        """insert into signal_fact (event_key, account_id, effective, recorded, event_id, kind, data)
           select * from unnest($1::bytea[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
                                $7::jsonb[]) on conflict do nothing""",
        *_common(events),
        [each.type.rpartition(".")[2] for each in events],
        [_json(each.data) for each in events],
    )


async def add_profiles(conn: AsyncConnection, events: Sequence[tuple[Event, AccountProfiled]]) -> None:
    """Write the profile fields that messages use; patches without any of them are left out."""
    patches = [(event, _patch(data)) for event, data in events]
    used = [(event, patch) for event, patch in patches if patch]
    await execute(
        conn,
        """insert into profile_fact (event_key, account_id, effective, recorded, event_id, changes)
           select * from unnest($1::bytea[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::jsonb[])
           on conflict do nothing""",
        *_common([event for event, _ in used]),
        [_json(patch) for _, patch in used],
    )


async def add_owners(conn: AsyncConnection, events: Sequence[tuple[Event, OwnerAssigned]]) -> None:
    """Write who holds which role, and the persons apart from that."""
    people = {_person_key(data.person): data.person for _, data in events if data.person}
    await execute(
        conn,
        """insert into person (key, person_id, details)
           select * from unnest($1::bytea[], $2::text[], $3::jsonb[]) as r(k, p, d) order by k
           on conflict (key) do nothing""",
        list(people),
        [person.id for person in people.values()],
        [_json(person) for person in people.values()],
    )
    await execute(
        conn,
        """insert into owner_fact (event_key, account_id, effective, recorded, event_id, role, person)
           select * from unnest($1::bytea[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
                                $7::bytea[]) on conflict do nothing""",
        *_common([event for event, _ in events]),
        [data.role for _, data in events],
        [_person_key(data.person) if data.person else None for _, data in events],
    )


async def add_subscriptions(conn: AsyncConnection, events: Sequence[tuple[Event, SubscriptionSnapshot]]) -> None:
    """Write subscription snapshots, without the provider's raw object."""
    await execute(
        conn,
        """insert into subscription_fact (event_key, account_id, effective, recorded, event_id, snapshot)
           select * from unnest($1::bytea[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::jsonb[])
           on conflict do nothing""",
        *_common([event for event, _ in events]),
        [_json(msgspec.structs.replace(data, raw=None)) for _, data in events],
    )


async def directory(conn: AsyncConnection, accounts: Sequence[str]) -> dict[str, Facts]:
    """Return what is known of accounts; one that nothing is known of is there, too."""
    profiles = await fetch(conn, "select * from profile_fact where account_id = any($1)", list(accounts))
    owners = await fetch(
        conn,
        "select f.*, p.details from owner_fact f left join person p on p.key = f.person where f.account_id = any($1)",
        list(accounts),
    )
    subscriptions = await fetch(conn, "select * from subscription_fact where account_id = any($1)", list(accounts))
    found: dict[str, tuple[list[Any], list[Any], list[Any]]] = {each: ([], [], []) for each in accounts}
    for row in profiles:
        found[row.account_id][0].append(_dated(row, msgspec.json.decode(row.changes)))
    for row in owners:
        person = msgspec.json.decode(row.details, type=Person) if row.details else None
        found[row.account_id][1].append(_dated(row, OwnerAssigned(role=row.role, person=person)))
    for row in subscriptions:
        snapshot = msgspec.json.decode(row.snapshot, type=SubscriptionSnapshot)
        found[row.account_id][2].append(_dated(row, snapshot))
    return {each: Facts(*map(tuple, facts)) for each, facts in found.items()}


async def lock_alerts(conn: AsyncConnection, accounts: Sequence[str]) -> dict[str, Stored]:
    """Lock and return the accounts' alerts by id: from here on nobody else folds them before we commit."""
    rows = await fetch(
        conn,
        "select body, partition, announced from alert where account_id = any($1) order by id for update",
        list(accounts),
    )
    return {(stored := _stored(row)).alert.id: stored for row in rows}


async def said(conn: AsyncConnection, accounts: Sequence[str]) -> dict[str, list[Said]]:
    """Return every signal event per account."""
    rows = await fetch(
        conn,
        "select account_id, kind, data, recorded, event_id from signal_fact where account_id = any($1)",
        list(accounts),
    )
    found: dict[str, list[Said]] = defaultdict(list)
    for row in rows:
        data = msgspec.json.decode(row.data, type=SignalCleared if row.kind == "cleared" else Signal)
        found[row.account_id].append(Said(row.kind, data, row.recorded, row.event_id))
    return found


async def acts(conn: AsyncConnection, accounts: Sequence[str]) -> dict[str, list[Act]]:
    """Return everything that people did, per account."""
    rows = await fetch(
        conn,
        "select account_id, alert_id, at, actor, key, verdict, note from action where account_id = any($1)",
        list(accounts),
    )
    found: dict[str, list[Act]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append(Act(row.alert_id, row.at, row.actor, row.key, row.verdict, row.note))
    return found


async def save_alerts(conn: AsyncConnection, stored: Sequence[Stored]) -> None:
    """Insert or replace alerts."""
    await execute(
        conn,
        """insert into alert (id, account_id, partition, signal, state, opened_at, announced, body)
           select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::timestamptz[],
                                $7::int[], $8::jsonb[])
           on conflict (id) do update
              set state = excluded.state, announced = excluded.announced, body = excluded.body""",
        [each.alert.id for each in stored],
        [each.alert.account_id for each in stored],
        [each.partition for each in stored],
        [each.alert.latest.signal for each in stored],
        [each.alert.state for each in stored],
        [each.alert.opened_at for each in stored],
        [each.announced for each in stored],
        [_json(each.alert) for each in stored],
    )


async def add_act(conn: AsyncConnection, account_id: str, act: Act, way: str) -> bool:
    """Write what a person did; False when the same key was used before."""
    return bool(
        await execute(
            conn,
            """insert into action (key, alert_id, account_id, at, actor, way, verdict, note)
               values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (key) do nothing""",
            *(act.key, act.alert_id, account_id, act.at, act.actor, way, act.verdict, act.note),
        )
    )


async def act_known(conn: AsyncConnection, key: str) -> bool:
    """Whether an act with this key was written before."""
    return await fetch_one(conn, "select 1 from action where key = $1", key) is not None


async def alert(conn: AsyncConnection, alert_id: str) -> Stored | None:
    """Return one alert."""
    row = await fetch_one(conn, "select body, partition, announced from alert where id = $1", alert_id)
    return _stored(row) if row else None


async def list_alerts(conn: AsyncConnection, wanted: Wanted, limit: int, now: datetime) -> list[Stored]:
    """Return alerts, newest first; `owner` is compared with the csm that the account has at `now`."""
    after = wanted.after or (None, None)
    rows = await fetch(
        conn,
        """select body, partition, announced from alert a
           where ($1::text is null or account_id = $1) and ($2::text is null or state = $2)
             and ($3::text is null or signal = $3)
             and ($4::text is null or $4 = (
                 select p.person_id from owner_fact f left join person p on p.key = f.person
                 where f.account_id = a.account_id and f.role = 'csm' and f.effective <= $8
                 order by f.effective desc, f.recorded desc, f.event_id desc limit 1))
             and ($5::timestamptz is null or (opened_at, id) < ($5, $6::text))
           order by opened_at desc, id desc limit $7""",
        *(wanted.account, wanted.state, wanted.signal, wanted.owner, after[0], after[1], limit, now),
    )
    return [_stored(row) for row in rows]


async def fingerprint(conn: AsyncConnection) -> str:
    """Hash what alerts hold, without clocks: those that stand and those that people decided.

    An alert that cleared by itself is left out, because whether it was ever seen depends on when somebody looked.
    """
    rows = await fetch(
        conn,
        """select concat_ws('|', account_id, signal, body->'latest'->>'subject_id', body->'latest'->>'severity', state,
                            body->>'historical', body->>'verdict') collate "C" as line
           from alert where state <> 'resolved' or body->>'verdict' is not null order by line""",
    )
    return blake2b("\n".join(row.line for row in rows).encode(), digest_size=16).hexdigest()


def _common(events: Sequence[Event]) -> tuple[list[Any], ...]:
    """Return the columns that every fact has: key, account, effective, recorded, id."""
    return (
        [each.key for each in events],
        [each.subject for each in events],
        [each.time for each in events],
        [each.recordedtime for each in events],
        [each.id for each in events],
    )


def _patch(data: AccountProfiled) -> dict[str, Any]:
    named = {name: getattr(data, name) for name in USED_PROFILE}
    return {name: value for name, value in named.items() if value is not msgspec.UNSET}


def _person_key(person: Person) -> bytes:
    return blake2b(msgspec.json.encode(person), digest_size=16).digest()


def _dated(row: Row[Any], value: Any) -> Dated[Any]:
    return Dated(row.effective, row.recorded, row.event_id, value)


def _stored(row: Row[Any]) -> Stored:
    return Stored(msgspec.json.decode(row.body, type=Alert), row.partition, row.announced)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
