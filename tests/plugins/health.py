"""The health service over a real database: facts go in as the runtime hands them over, answers come out by its API."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.health.app import build
from services.health.settings import Settings
from shared import consuming
from shared.absorb import Due, DueAccount, Evaluated, Received
from shared.access import mint, new_key_pair
from shared.cluster import Cluster
from shared.db import Database
from shared.events import Event, topic_of
from tests.plugins.postgres import ServiceDatabase


@dataclass(slots=True)
class HealthService:
    """The service without its loops: a test says when a batch is absorbed and when accounts are evaluated."""

    service: consuming.Service
    database: Database
    client: httpx.AsyncClient

    async def learn(self, events: Iterable[Event]) -> list[Due]:
        """Absorb events in one batch; return what became due."""
        received = [Received(event, topic_of(event.type), 0, place) for place, event in enumerate(events)]
        assert [self.service.absorber.refuse(one) for one in received] == [None] * len(received)
        async with self.database.transaction() as conn:
            return list(await self.service.absorber.absorb(conn, received))

    async def evaluate(self, now: datetime, *accounts: str) -> list[Evaluated]:
        """Evaluate accounts as of a moment; return what was decided."""
        async with self.database.transaction() as conn:
            due = [DueAccount(account, 0) for account in accounts]
            return list(await self.service.evaluator.evaluate(conn, due, now))

    async def ask(self, path: str, **params: Any) -> Any:
        """Return the body of a good answer."""
        answer = await self.client.get(path, params=params)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def fingerprint(self) -> str:
        """Return the hash of all facts."""
        return str((await self.ask("/v1/fingerprint"))["fingerprint"])


@pytest.fixture
async def health_service(service_database: ServiceDatabase, tmp_path: Path) -> AsyncIterator[HealthService]:
    """The service over an empty database, no broker, and a client with a viewer's token."""
    private, public = new_key_pair()
    (tmp_path / "public.pem").write_text(public)
    url = await service_database("health")
    settings = Settings(database_url=url, kafka=Cluster("127.0.0.1:1"), public_key_file=tmp_path / "public.pem")
    service, database = build(settings), Database(url)
    app = consuming.build_app(service, consuming.wire(service, settings, database))
    token = mint(private, "viewer@example.com", "viewer", timedelta(minutes=10))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://health", headers=headers) as client:
        yield HealthService(service, database, client)
    await database.close()
