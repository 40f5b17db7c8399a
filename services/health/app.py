"""How the health service is put together."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from functools import partial

import msgspec

from services.health.absorb import HealthAbsorber
from services.health.api import build_api
from services.health.decline import DeclineRule
from services.health.evaluate import HealthEvaluator
from services.health.fleet import judge_fleet, run_fleet
from services.health.recall import TOPICS, recall
from services.health.rulebook import Rulebook
from services.health.settings import Settings
from services.health.store import fingerprint
from shared.consuming import Runtime, Service, run_consuming_service
from shared.db import Database
from shared.due import Pace
from shared.memory import Memory
from shared.rebuilding import rebuild_service
from shared.service import Part


def build(settings: Settings) -> Service:
    """Return what makes a consuming service the health service.

    Raises:
        ValueError: a definition is not valid; the message names the line to mend.

    """
    rules = Rulebook.read()
    return Service(
        name="health",
        absorber=HealthAbsorber(settings.time_zone),
        evaluator=HealthEvaluator(rules, settings.time_zone),
        api=partial(build_api, rules),
        fingerprint=fingerprint,
        pace=Pace(usage_pause=timedelta(seconds=settings.usage_pause)),
        parts=partial(_parts, rules),
        memory=Memory(TOPICS, recall, partial(_conclude, rules, settings.time_zone)),
    )


async def run(settings: Settings) -> int:
    """Run the service until it is told to stop; return the exit code."""
    return await run_consuming_service(build(settings), settings, Database(settings.database_url))


async def rebuild(settings: Settings) -> int:
    """Build the empty schema from archive and topics; return the exit code."""
    return await rebuild_service(build(settings), settings, Database(settings.database_url))


def _parts(rules: Rulebook, runtime: Runtime) -> Sequence[Part]:
    rule = _decline(rules)

    async def fleet(stop: asyncio.Event) -> None:
        await run_fleet(stop, runtime.database, lambda: 0 in runtime.leases.held, runtime.settings.time_zone, rule)

    return (Part("fleet", fleet),)


async def _conclude(rules: Rulebook, zone: tzinfo, database: Database, now: datetime) -> None:
    """Judge the fleet before accounts are evaluated: without it, a fall of all would be one of each."""
    await judge_fleet(database, now, zone, _decline(rules))


def _decline(rules: Rulebook) -> DeclineRule:
    return msgspec.convert(rules.standard.signals["usage_drop"], DeclineRule)
