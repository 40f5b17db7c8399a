"""The wiring that the consuming services share: one page from settings to running parts."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared import standing
from shared.access import Access
from shared.consumer import Consumer, Source
from shared.due import Pace
from shared.evaluation import EvaluationLoop
from shared.http import Kit, check_routes
from shared.leases import Leases
from shared.memory import Memory
from shared.observability import configure_logging
from shared.outbox import Relay
from shared.produce import Publisher
from shared.pulse import stuck
from shared.runtime_api import add_runtime_routes
from shared.service import Part, http_part, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.absorb import Absorber, Evaluator
    from shared.db import Database
    from shared.errors import KizunaError
    from shared.settings import ServiceSettings


@dataclass(slots=True)
class Runtime:
    """The running parts of one consuming service, for its API and its own parts.

    `alive` says of each loop what is wrong with its progress, if anything; a service adds its own parts to it.
    """

    service: str
    settings: ServiceSettings
    database: Database
    leases: Leases
    publisher: Publisher
    consumer: Consumer
    evaluation: EvaluationLoop
    relay: Relay
    alive: dict[str, Callable[[], str | None]]

    def kit(self) -> Kit:
        """Return what `create_app` needs: access, readiness (honest) and liveness (by progress)."""
        access = Access(self.settings.public_key_file.read_text(encoding="utf-8"))
        ready = {
            "database": _answers(self.database.ping),
            "broker": _answers(self.publisher.ping),
            "consumer": self._consumer_trouble,
        }
        return Kit(access, ready, self.alive, lambda: standing.gauge(self))

    async def _consumer_trouble(self) -> str | None:
        return self.consumer.trouble


@dataclass(frozen=True, slots=True)
class Service:
    """What a consuming service brings along. `fingerprint` hashes its facts without clocks or surrogate numbers."""

    name: str
    absorber: Absorber
    evaluator: Evaluator
    api: Callable[[Runtime, Kit], FastAPI]
    fingerprint: Callable[[AsyncConnection], Awaitable[str]]
    pace: Pace = field(default_factory=Pace)
    parts: Callable[[Runtime], Sequence[Part]] = lambda _: ()
    memory: Memory = field(default_factory=Memory)


def wire(service: Service, settings: ServiceSettings, database: Database) -> Runtime:
    """Build the parts by hand; nothing connects before it runs."""
    leases = Leases(database, f"{socket.gethostname()}/{os.getpid()}")
    publisher = Publisher(settings.kafka, prefix=settings.topic_prefix)
    source = Source(
        service.name,
        settings.kafka,
        settings.topic_prefix,
        settings.partitions,
        settings.session_seconds,
        settings.inbox_time_scale,
    )
    relay = Relay(database, leases, publisher)
    consumer = Consumer(source, database, leases, service.absorber, service.pace)
    evaluation = EvaluationLoop(database, leases, service.evaluator, relay, service.pace)
    alive = {
        "consumer": lambda: None if consumer.halted else stuck(consumer.beat),
        "evaluation": lambda: stuck(evaluation.beat),
        "relay": lambda: stuck(relay.beat),
    }
    return Runtime(service.name, settings, database, leases, publisher, consumer, evaluation, relay, alive)


def build_app(service: Service, runtime: Runtime) -> FastAPI:
    """Return the service's API with the routes that every consuming service has."""
    app = service.api(runtime, runtime.kit())
    add_runtime_routes(app, runtime, service.fingerprint)
    return check_routes(app)


async def run_consuming_service(service: Service, settings: ServiceSettings, database: Database) -> int:
    """Run until told to stop; return the exit code."""
    configure_logging(service.name)
    runtime = wire(service, settings, database)
    await database.start()
    await runtime.publisher.start()

    async def evaluate(stop: asyncio.Event) -> None:
        await runtime.evaluation.run(stop, runtime.consumer.work, runtime.consumer.is_behind)

    parts = [
        http_part(build_app(service, runtime), settings.host, settings.port, f"KIZUNA_{service.name.upper()}_PORT"),
        Part("consumer", runtime.consumer.run),
        Part("evaluation", evaluate),
        Part("relay", runtime.relay.run),
        *service.parts(runtime),
    ]

    async def farewell() -> None:
        await runtime.publisher.stop()
        await database.close()

    return await serve(parts, farewell)


def _answers(ask: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        try:
            await asyncio.wait_for(ask(), 3)
        except Exception as error:  # noqa: BLE001 - readiness reports whatever is wrong
            message: KizunaError | Exception = error
            return getattr(message, "message", None) or repr(message)
        return None

    return check
