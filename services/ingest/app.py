"""Wires ingest by hand: from settings to running parts. Nothing connects before it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.ingest import queries, store
from services.ingest.api import Desk, build_api
from services.ingest.asgi import HotRoutes
from services.ingest.keys import KeyRing
from services.ingest.parked import Waiting
from services.ingest.publish import Intake
from shared.access import Access
from shared.clock import now
from shared.db import Database
from shared.http import Kit
from shared.observability import LETTERS_WAITING, configure_logging
from shared.produce import IN_FLIGHT_BYTES, Publisher
from shared.pulse import stuck
from shared.service import Part, http_part, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from services.ingest.settings import Settings

READY_SECONDS = 3.0
FULL = 0.9


@dataclass(frozen=True, slots=True)
class App:
    """The built service: its ASGI application and what runs beside it."""

    asgi: HotRoutes
    database: Database
    publisher: Publisher
    keys: KeyRing
    waiting: Waiting


def build(settings: Settings) -> App:
    """Return the service, not yet started."""
    database = Database(settings.database_url)
    publisher = Publisher(settings.kafka, prefix=settings.topic_prefix)
    keys = KeyRing(lambda: store.transact(database, store.live_keys))
    waiting = Waiting(database, publisher, settings)
    intake = Intake(database, publisher, settings.parked_most, waiting.wake)
    access = Access(settings.public_key_file.read_text(encoding="utf-8"))
    ready = {"database": _answers(database.ping), "broker": _answers(publisher.ping), "room": _room(publisher)}

    async def gauge() -> None:
        async with database.snapshot() as conn:
            LETTERS_WAITING.set((await queries.counts(conn))["dead_letters_waiting"])

    alive = {"keys": lambda: stuck(keys.beat), "parked": lambda: stuck(waiting.beat)}
    rest = build_api(Desk(database, publisher, intake, keys), Kit(access, ready, alive, gauge))
    return App(HotRoutes(intake, keys, rest, now), database, publisher, keys, waiting)


async def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""
    configure_logging("ingest")
    app = build(settings)
    await app.database.start()
    await app.publisher.start()
    parts = [
        http_part(app.asgi, settings.host, settings.port, "KIZUNA_INGEST_PORT"),
        Part("keys", app.keys.run),
        Part("parked", app.waiting.run),
    ]

    async def farewell() -> None:
        await app.publisher.stop()
        await app.database.close()

    return await serve(parts, farewell)


def _answers(ask: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        task = asyncio.ensure_future(ask())
        done, _ = await asyncio.wait({task}, timeout=READY_SECONDS)
        if not done:
            task.cancel()
            return f"no answer within {READY_SECONDS:.0f} s"
        error = task.exception()
        return (getattr(error, "message", None) or repr(error)) if error else None

    return check


def _room(publisher: Publisher) -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        return "too much waits for the broker" if publisher.in_flight > FULL * IN_FLIGHT_BYTES else None

    return check
