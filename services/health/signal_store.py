"""All SQL about signals: episodes and the fleet's ratios."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.health.episode import Episode
from shared.db import execute, fetch

ALL = ""
"""The segment that stands for all accounts together."""

FleetRatios = Mapping[str, Mapping[date, float | None]]


async def load_episodes(conn: AsyncConnection, accounts: Collection[str]) -> Mapping[str, tuple[Episode, ...]]:
    """Return the episodes of accounts, closed ones too; accounts without any are absent."""
    rows = await fetch(
        conn,
        """select account_id, signal, subject_id, episode, since, open, historical, severity, digest, sequence
           from signal where account_id = any($1) order by since, episode""",
        list(accounts),
    )
    found: dict[str, list[Episode]] = {}
    for row in rows:
        found.setdefault(row.account_id, []).append(Episode(*list(row)))
    return {account: tuple(episodes) for account, episodes in found.items()}


async def save_episodes(conn: AsyncConnection, episodes: Sequence[Episode], now: datetime) -> None:
    """Store episodes as they stand now. Closed ones first, since one of a kind may be open."""
    ordered = sorted(episodes, key=lambda each: each.open)
    for part in ([each for each in ordered if not each.open], [each for each in ordered if each.open]):
        if part:
            await _save(conn, part, now)


async def open_signals(conn: AsyncConnection, accounts: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the signals that are open now, by account; accounts without any are absent."""
    rows = await fetch(
        conn,
        """select account_id, array_agg(distinct signal order by signal) as signals from signal
           where open and account_id = any($1) group by account_id""",
        list(accounts),
    )
    return {row.account_id: tuple(row.signals) for row in rows}


async def weekly_persons(
    conn: AsyncConnection, first: date, last: date
) -> Mapping[str, tuple[str, Mapping[date, int]]]:
    """Return each customer's segment and distinct persons by Monday, for the days from `first` to `last`.

    Silent weeks are absent. An account whose billing is not known at all counts as a customer.
    """
    rows = await fetch(
        conn,
        """with segment as (
               select distinct on (account_id) account_id, data ->> 'segment' as name from fact
               where type = 'kizuna.account.profiled' and data ? 'segment'
               order by account_id, effective_at desc, recorded_at desc, event_id desc),
           snapshot as (
               select distinct on (account_id, data ->> 'subscription_id') account_id, data ->> 'status' as status
               from fact where type = 'kizuna.subscription.snapshot' and effective_at < $2::date + 1
               order by account_id, data ->> 'subscription_id', effective_at desc, recorded_at desc, event_id desc),
           gone as (
               select account_id from snapshot group by account_id
               having not bool_or(status in ('active', 'past_due')))
           select account_id, coalesce(s.name, '') as segment, day - (extract(isodow from day)::int - 1) as monday,
                  count(distinct person)::int as persons
           from usage_day left join segment s using (account_id), unnest(persons) as person
           where day between $1 and $2 and not exists (select from gone where gone.account_id = usage_day.account_id)
           group by 1, 2, 3""",
        first,
        last,
    )
    found: dict[str, tuple[str, dict[date, int]]] = {}
    for row in rows:
        found.setdefault(row.account_id, (row.segment, {}))[1][row.monday] = row.persons
    return found


async def fleet_known_at(conn: AsyncConnection, week: date) -> tuple[datetime, bool] | None:
    """Return when the fleet was last judged after a week, and whether there were enough accounts; None: not yet."""
    rows = await fetch(
        conn,
        "select known_at, ratio from fleet_ratio where week = $1 and segment = $2 order by known_at desc limit 1",
        week,
        ALL,
    )
    return (rows[0].known_at, rows[0].ratio is not None) if rows else None


async def save_fleet(
    conn: AsyncConnection, week: date, ratios: Mapping[str, tuple[float | None, int]], now: datetime
) -> None:
    """Store what a fleet made of its own base, by segment, with the number of accounts; it is known from `now` on."""
    segments = sorted(ratios)
    await execute(
        conn,
        """insert into fleet_ratio (week, segment, known_at, ratio, accounts)
           select $1, s, $3, r, a from unnest($2::text[], $4::float8[], $5::int[]) as u(s, r, a)
           on conflict (week, segment, known_at) do nothing""",
        week,
        segments,
        now,
        [ratios[segment][0] for segment in segments],
        [ratios[segment][1] for segment in segments],
    )


async def load_fleet(conn: AsyncConnection, since: date, known_at: datetime) -> FleetRatios:
    """Return the fleet's ratios by segment and Monday, from a week on, as they were last known at `known_at`."""
    rows = await fetch(
        conn,
        """select distinct on (segment, week) segment, week, ratio from fleet_ratio
           where week >= $1 and known_at <= $2 order by segment, week, known_at desc""",
        since - timedelta(days=since.weekday()),
        known_at,
    )
    found: dict[str, dict[date, float | None]] = {}
    for row in rows:
        found.setdefault(row.segment, {})[row.week] = row.ratio
    return found


def fleet_of(ratios: FleetRatios, segment: str) -> Mapping[date, float | None]:
    """Return what a segment's accounts are compared with: their segment where it is large enough, else all accounts."""
    own = {week: ratio for week, ratio in ratios.get(segment, {}).items() if ratio is not None}
    return {**ratios.get(ALL, {}), **own}


async def _save(conn: AsyncConnection, episodes: Sequence[Episode], now: datetime) -> None:
    columns = [each.name for each in fields(Episode)]
    await execute(
        conn,
        """insert into signal (account_id, signal, subject_id, episode, since, open, historical, severity, digest,
                               sequence, said_at)
            select *, $11 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[],
                                      $7::boolean[], $8::text[], $9::text[], $10::int[])
            on conflict (account_id, episode) do update
               set since = excluded.since, open = excluded.open, historical = excluded.historical,
                   severity = excluded.severity, digest = excluded.digest, sequence = excluded.sequence,
                   said_at = excluded.said_at""",
        *[[getattr(each, column) for each in episodes] for column in columns],
        now,
    )
