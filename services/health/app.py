"""How the health service is put together."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import msgspec

from services.health.absorb import HealthAbsorber
from services.health.api import build_api
from services.health.decline import DeclineRule
from services.health.evaluate import HealthEvaluator
from services.health.fleet import run_fleet
from services.health.rulebook import Rulebook
from services.health.settings import Settings
from services.health.store import fingerprint
from shared.consuming import Runtime, Service, run_consuming_service
from shared.db import Database
from shared.due import Pace
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
    )


async def run(settings: Settings) -> int:
    """Run the service until it is told to stop; return the exit code."""
    return await run_consuming_service(build(settings), settings, Database(settings.database_url))


def _parts(rules: Rulebook, runtime: Runtime) -> Sequence[Part]:
    rule = msgspec.convert(rules.standard.signals["usage_drop"], DeclineRule)

    async def fleet(stop: asyncio.Event) -> None:
        await run_fleet(stop, runtime.database, lambda: 0 in runtime.leases.held, runtime.settings.time_zone, rule)

    return (Part("fleet", fleet),)
