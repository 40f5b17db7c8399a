"""Owns /livez, /readyz and /metrics: what each part says of itself, within a scrape's patience."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from shared.observability import READY, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    Ready: TypeAlias = Mapping[str, Callable[[], Awaitable[str | None]]]
    Alive: TypeAlias = Mapping[str, Callable[[], str | None]]
    Gauge: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

SCRAPE_SECONDS = 4.0


def probes(name: str, ready: Ready, alive: Alive) -> FastAPI:
    """Return an app with nothing but probes and metrics, for a process that answers no questions."""
    app = FastAPI(title=f"Kizuna {name}", docs_url=None, redoc_url=None, openapi_url=None)
    add_probes(app, ready, alive)
    return app


def add_probes(app: FastAPI, ready: Ready, alive: Alive, gauge: Gauge | None = None) -> None:
    """Add the three routes. `gauge` brings gauges up to date before they are read."""

    @app.get("/livez")
    async def livez() -> Response:
        """Say whether this process makes progress; 503 names the part that does not."""
        return _verdict({name: check() for name, check in alive.items()})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Say whether this replica can do its work; 503 names what is missing."""
        return _verdict({name: await check() for name, check in ready.items()})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return Prometheus metrics, as they are now."""
        await _measure(ready, gauge)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def _measure(ready: Ready, gauge: Gauge | None) -> None:
    """Bring gauges up to date within a scrape's patience. A part that says nothing in that time is not ready."""
    checks = {part: asyncio.ensure_future(check()) for part, check in ready.items()}
    work = [*checks.values(), *([asyncio.ensure_future(gauge())] if gauge else [])]
    if work:
        await asyncio.wait(work, timeout=SCRAPE_SECONDS)
    for part, task in checks.items():
        READY.labels(part).set(task.done() and task.exception() is None and task.result() is None)
    for task in work:
        task.cancel()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _verdict(found: Mapping[str, str | None]) -> Response:
    trouble = {name: text for name, text in found.items() if text}
    if trouble:
        message = "; ".join(f"{name}: {text}" for name, text in trouble.items())
        return JSONResponse({"code": "not_ready", "message": message, "parts": trouble}, 503, {"retry-after": "1"})
    return JSONResponse({"ok": True, "parts": dict.fromkeys(found, "ok")})
