"""The revenue service over a real database: facts go in as the runtime hands them over, answers come out by its API."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.revenue.app import build
from services.revenue.settings import Settings
from shared import consuming
from shared.absorb import DueAccount, Received
from shared.access import mint, new_key_pair
from shared.cluster import Cluster
from shared.db import Database, fetch
from shared.events import Event
from tests.plugins.postgres import ServiceDatabase


@dataclass(slots=True)
class Revenue:
    """The service, its parts not running unless `run` is entered."""

    service: consuming.Service
    runtime: consuming.Runtime
    client: httpx.AsyncClient

    async def learn(self, events: Iterable[Event]) -> None:
        """Absorb events in one batch."""
        received = [Received(event, "billing.v1", 0, offset) for offset, event in enumerate(events)]
        assert [self.service.absorber.refuse(one) for one in received] == [None] * len(received)
        async with self.runtime.database.transaction() as conn:
            await self.service.absorber.absorb(conn, received)

    async def evaluate(self, now: datetime | None = None) -> list[Event]:
        """Evaluate every account that is not seen yet; return what was emitted."""
        async with self.runtime.database.transaction() as conn:
            names = await fetch(conn, "select distinct account_id from unseen union select account_id from outlook")
            due = [DueAccount(row.account_id, 0) for row in names]
            found = await self.service.evaluator.evaluate(conn, due, now or datetime.now(UTC))
        assert [one.account_id for one in found] == [one.account_id for one in due]
        return [event for one in found for event in one.emit]

    async def ask(self, path: str, **params: str) -> Any:
        """Return the body of a good answer."""
        answer = await self.client.get(path, params=params)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def run(self, stop: asyncio.Event) -> None:
        """Run consumer, evaluation and relay until told to stop."""
        await self.runtime.publisher.start()
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.runtime.consumer.run(stop))
            parts.create_task(self.runtime.evaluation.run(stop, self.runtime.consumer.work))
            parts.create_task(self.runtime.relay.run(stop))
        await self.runtime.publisher.stop()


@pytest.fixture
async def revenue(service_database: ServiceDatabase, tmp_path: Path) -> AsyncIterator[Revenue]:
    """The service with an empty database and no broker."""
    async with AsyncExitStack() as stack:
        yield await revenue_over(await service_database("revenue"), tmp_path, "127.0.0.1:1", stack)


async def revenue_over(url: str, folder: Path, kafka: str, stack: AsyncExitStack) -> Revenue:
    """Wire the service over a database and a broker, and a client with a viewer's token to it."""
    private, public = new_key_pair()
    (folder / "public.pem").write_text(public)
    settings = Settings(database_url=url, kafka=Cluster(kafka), public_key_file=folder / "public.pem")
    service, database = build(settings), Database(url)
    stack.push_async_callback(database.close)
    runtime = consuming.wire(service, settings, database)
    token = mint(private, "tester", "viewer", timedelta(minutes=10))
    transport = httpx.ASGITransport(consuming.build_app(service, runtime), raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {token}"}
    client = await stack.enter_async_context(
        httpx.AsyncClient(transport=transport, base_url="http://r", headers=headers)
    )
    return Revenue(service, runtime, client)
