"""Ingest as it runs in production, in this process: HTTP on a real port, a real broker, a real PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.ports import HOST, free_port
from services.ingest.app import App, build
from services.ingest.settings import Settings
from shared.access import mint, new_key_pair
from shared.cluster import Cluster
from shared.events import TYPES
from shared.kafka_admin import create_topics
from shared.service import Part, http_part
from tests.plugins.postgres import ServiceDatabase

TOPICS = ("backfill.v1", *sorted({kind.topic for kind in TYPES.values()}))
PARTITIONS = 3


@dataclass
class Ingest:
    """A running ingest. `http` carries no credentials; `admin` are headers with an admin's token, `key` a write key."""

    app: App
    http: httpx.AsyncClient
    admin: dict[str, str]
    key: str = ""

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """Post as the owner of `key`."""
        headers = {"x-write-key": self.key} | options.pop("headers", {})
        return await self.http.post(path, headers=headers, **options)

    async def get(self, path: str) -> Any:
        """Get as an admin; the answer must be a 200."""
        answer = await self.http.get(path, headers=self.admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def new_key(self, **wish: Any) -> dict[str, Any]:
        """Make a write key by the API."""
        answer = await self.http.post("/v1/keys", json={"source": "test", **wish}, headers=self.admin)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


StartIngest = Callable[..., Awaitable[Ingest]]


@pytest.fixture
async def start_ingest(
    service_database: ServiceDatabase, bootstrap_servers: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[StartIngest]:
    """Start ingest with settings of one's own; everything is stopped after the test."""
    url = await service_database("ingest")
    await create_topics(Cluster(bootstrap_servers), TOPICS, PARTITIONS, topic_prefix)
    private, public = new_key_pair()
    (tmp_path / "public.pem").write_text(public)
    stack = contextlib.AsyncExitStack()

    async def start(**settings: Any) -> Ingest:
        given = {"database_url": url, "kafka": Cluster(bootstrap_servers), "topic_prefix": topic_prefix, **settings}
        port = free_port()
        app = build(Settings(port=port, public_key_file=tmp_path / "public.pem", **given))
        await stack.enter_async_context(_running(app, port))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=15))
        token = mint(private, "ops@example.com", "admin", timedelta(hours=1))
        ingest = Ingest(app, client, {"authorization": f"Bearer {token}"})
        ingest.key = (await ingest.new_key())["key"]
        return ingest

    async with stack:
        yield start


@pytest.fixture
async def ingest(start_ingest: StartIngest) -> Ingest:
    """Ingest with default settings and one write key whose source is `test`."""
    return await start_ingest()


@contextlib.asynccontextmanager
async def _running(app: App, port: int) -> AsyncIterator[None]:
    stop = asyncio.Event()
    await app.publisher.start()
    parts = [http_part(app.asgi, HOST, port, "-"), Part("keys", app.keys.run), Part("parked", app.waiting.run)]
    tasks: list[asyncio.Future[None]] = [asyncio.ensure_future(part.run(stop)) for part in parts]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait(tasks, timeout=10)
        await app.publisher.stop()
        await app.database.close()
