"""The fleet's own ratio: what the median account made of its habit, so that a fall of all alarms nobody in particular.

Judged once a day over all partitions, by the replica that owns the first; stored with the time at which it was known.
While there are too few accounts to tell it is tried again every hour.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo

import structlog
from prometheus_client import Gauge

from services.health.decline import DeclineRule, ratio
from services.health.facts import account_facts, median
from services.health.signal_store import ALL, fleet_known_at, load_fleet, save_fleet, weekly_persons
from shared.clock import now
from shared.db import Database
from shared.observability import REGISTRY
from shared.trouble import is_world_trouble

CHECK_SECONDS = 30.0
AGAIN_WHILE_UNKNOWN = timedelta(hours=1)
WEEK = timedelta(weeks=1)
FLEET = Gauge(
    "kizuna_fleet_usage_ratio", "What the median account makes of its own habit", ["segment"], registry=REGISTRY
)

log = structlog.get_logger()


async def run_fleet(
    stop: asyncio.Event, database: Database, owns_first: Callable[[], bool], zone: tzinfo, rule: DeclineRule
) -> None:
    """Judge the fleet whenever that is due, until told to stop. `owns_first` tells whether this replica is to do it."""
    while not stop.is_set():
        try:
            if owns_first():
                await judge_fleet(database, now(), zone, rule)
        except Exception as error:
            if not is_world_trouble(error):
                raise
            log.warning("fleet_waits", error=repr(error))
        try:
            await asyncio.wait_for(stop.wait(), CHECK_SECONDS)
        except TimeoutError:
            continue


async def judge_fleet(database: Database, moment: datetime, zone: tzinfo, rule: DeclineRule) -> bool:
    """Judge the last complete week, and those before it that a decline may have begun in; return whether it was due."""
    clock = account_facts("", zone)
    week = clock.last_complete_week(moment)
    first = week - (rule.adopt_weeks + rule.base_weeks + rule.recent_weeks) * WEEK
    async with database.snapshot() as conn:
        last = await fleet_known_at(conn, week)
        if last is not None and not _is_due(last, moment, clock.day_of(moment), clock.day_of(last[0])):
            return False
        known = await load_fleet(conn, first, moment)
        usage = await weekly_persons(conn, first, week + timedelta(days=6))
    mondays = [first + place * WEEK for place in range((week - first) // WEEK + 1)]
    series = [(segment, [by.get(monday, 0) for monday in mondays]) for segment, by in usage.values()]
    judgements = await asyncio.to_thread(_judge_weeks, series, rule)  # seconds, for a large fleet
    async with database.transaction() as conn:
        for back, found in enumerate(judgements):
            judged = mondays[-1 - back]
            if back == 0 or any(known.get(name, {}).get(judged) != value for name, (value, _) in found.items()):
                await save_fleet(conn, judged, found, moment)
            if back == 0:
                _show(found, judged)
    return True


def fleet_ratios(series: list[tuple[str, list[int]]], rule: DeclineRule) -> Mapping[str, tuple[float | None, int]]:
    """Return by segment, and for all together, the median ratio (None of too few accounts) and the number of accounts.

    `series` holds a segment and persons a week, oldest first, per account; those without a habit do not count.
    """
    ratios: dict[str, list[float]] = {ALL: []}
    for segment, weeks in series:
        value = ratio(weeks, rule)
        if value is not None:
            for key in {segment, ALL}:
                ratios.setdefault(key, []).append(value)
    return {
        segment: (median(values) if len(values) >= rule.fleet_accounts else None, len(values))
        for segment, values in ratios.items()
    }


def _judge_weeks(
    series: list[tuple[str, list[int]]], rule: DeclineRule
) -> list[Mapping[str, tuple[float | None, int]]]:
    """Return what the fleet made of its base in the last week, the one before it, and so on."""
    ends = [len(series[0][1]) - back if series else 0 for back in range(rule.adopt_weeks)]
    return [fleet_ratios([(segment, weeks[:end]) for segment, weeks in series], rule) for end in ends]


def _show(found: Mapping[str, tuple[float | None, int]], week: date) -> None:
    for segment, (value, _) in found.items():
        FLEET.labels(segment or "all").set(float("nan") if value is None else value)
    log.info("fleet_judged", week=str(week), ratio=found[ALL][0], accounts=found[ALL][1])


def _is_due(last: tuple[datetime, bool], moment: datetime, today: date, judged_on: date) -> bool:
    judged_at, enough = last
    return judged_on < today or (not enough and moment - judged_at >= AGAIN_WHILE_UNKNOWN)
