"""Wiring of the alerts service, by hand, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.alerts import store
from services.alerts.absorb import AlertsAbsorber
from services.alerts.acting import Acting
from services.alerts.api import add_routes
from services.alerts.content import Writer
from services.alerts.dispatch import Dispatcher
from services.alerts.evaluate import AlertsEvaluator
from services.alerts.links import Links
from services.alerts.pages import add_pages
from services.alerts.recall import TOPICS, recall
from shared.clock import now
from shared.consuming import Runtime, Service, run_consuming_service
from shared.db import Database
from shared.http import Kit, create_app
from shared.memory import Memory
from shared.plugins import discover
from shared.pulse import stuck
from shared.rebuilding import rebuild_service
from shared.service import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from services.alerts.channel import Channel
    from services.alerts.settings import Settings


def open_channels(settings: Settings) -> dict[str, Channel]:
    """Return the configured channels by name; chat comes before mail when one of them must be tried first."""
    found = [plugin.open(settings) for plugin in discover("services.alerts.channels")]
    return {each.name: each for each in reversed(found) if each is not None}


def build(settings: Settings, channels: dict[str, Channel]) -> Service:
    """Return what the runtime needs to know of alerts."""
    links = Links(settings.link_secret.get_secret_value(), settings.public_url)
    writer = Writer(links, settings.time_zone)
    evaluator = AlertsEvaluator(channels)

    def api(runtime: Runtime, kit: Kit) -> FastAPI:
        app = create_app("alerts", kit)
        doing = Acting(runtime.database, evaluator)
        add_routes(app, runtime.database, doing)
        add_pages(app, runtime.database, links, doing)
        return app

    def parts(runtime: Runtime) -> Sequence[Part]:
        dispatcher = Dispatcher(runtime.database, channels, writer, now)
        runtime.alive["dispatch"] = lambda: stuck(dispatcher.beat)
        return [Part("dispatch", dispatcher.run)]

    return Service(
        "alerts", AlertsAbsorber(), evaluator, api, store.fingerprint, parts=parts, memory=Memory(TOPICS, recall)
    )


async def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""
    channels = open_channels(settings)
    try:
        return await run_consuming_service(build(settings, channels), settings, Database(settings.database_url))
    finally:
        for channel in channels.values():
            await channel.close()


async def rebuild(settings: Settings) -> int:
    """Build the empty schema from archive and topics, telling nobody; return the exit code."""
    channels = open_channels(settings)
    try:
        return await rebuild_service(build(settings, channels), settings, Database(settings.database_url))
    finally:
        for channel in channels.values():
            await channel.close()
