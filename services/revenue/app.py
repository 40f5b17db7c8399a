"""How the revenue service is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.revenue.absorb import RevenueAbsorber
from services.revenue.api import build_api
from services.revenue.evaluate import RevenueEvaluator
from services.revenue.store import fingerprint
from shared.consuming import Service, run_consuming_service
from shared.db import Database
from shared.memory import Memory
from shared.rebuilding import rebuild_service

if TYPE_CHECKING:
    from services.revenue.settings import Settings


def build(settings: Settings) -> Service:
    """Return what makes a consuming service the revenue service."""
    return Service(
        name="revenue",
        absorber=RevenueAbsorber(),
        evaluator=RevenueEvaluator(settings.time_zone),
        api=build_api,
        fingerprint=fingerprint,
        memory=Memory(topics=("revenue.v1",)),
    )


async def run(settings: Settings) -> int:
    """Run the service until it is told to stop; return the exit code."""
    return await run_consuming_service(build(settings), settings, Database(settings.database_url))


async def rebuild(settings: Settings) -> int:
    """Build the empty schema from archive and topics; return the exit code."""
    return await rebuild_service(build(settings), settings, Database(settings.database_url))
