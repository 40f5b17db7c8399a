"""`python -m services.health` on a real broker and database: events in, scores and signals out, and a peaceful end."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from deploy.local.ports import free_port
from services.health.tables import metadata
from shared.access import mint, new_key_pair
from shared.cluster import Cluster
from shared.db import fetch
from shared.events import ContactLeft, ContactUpserted, Event, encode_event, topic_of
from shared.kafka import Record
from shared.kafka_admin import create_topics
from shared.produce import Publisher
from tests.integration.health.story import told, used
from tests.plugins.health import HealthService
from tests.plugins.postgres import ServiceDatabase
from tests.plugins.runtime import until
from tests.plugins.topics import ReadTopic

READ = ("usage.v1", "billing.v1", "customer.v1", "backfill.v1")
TOPICS = (*READ, *(f"{topic}.health.dlq" for topic in READ), "health.v1", "signals.v1")


def lived(now: datetime) -> list[Event]:
    """A customer with a habit, told as history, and then the news that the champion has left."""
    days = [now - timedelta(days=day) for day in range(1, 90)]
    history = [used(day, f"p{n}", f"kind{n}", recorded=now, backfill=True) for day in days for n in range(4)]
    champion = told(ContactUpserted(contact_id="p0", name="Mia", roles=["champion"]), now - timedelta(minutes=2))
    return [*history, champion, told(ContactLeft(contact_id="p0", evidence="human"), now)]


async def test_news_becomes_a_score_and_a_signal(
    service_database: ServiceDatabase,
    bootstrap_servers: str,
    topic_prefix: str,
    read_topic: ReadTopic,
    tmp_path: Path,
) -> None:
    await create_topics(Cluster(bootstrap_servers), TOPICS, 12, topic_prefix)
    private, public = new_key_pair()
    (tmp_path / "public.pem").write_text(public)
    port = free_port()
    environment = {
        **os.environ,
        "KIZUNA_HEALTH_PORT": str(port),
        "KIZUNA_HEALTH_DATABASE_URL": await service_database("health"),
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "KIZUNA_PUBLIC_KEY_FILE": str(tmp_path / "public.pem"),
    }
    token = mint(private, "viewer@example.com", "viewer", timedelta(minutes=10))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.health", env=environment)
    try:
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            await until(lambda: _answers(client, "/readyz"), 60)
            await _publish(bootstrap_servers, topic_prefix, lived(datetime.now(UTC)))
            await until(lambda: _score(client, 60.0), 60)
            assert (await client.get("/v1/accounts/acme/usage")).json()["total"] == 89 * 4
        scores = await read_topic("health.v1", 1)
        assert scores[-1].data.gates == ["champion_left"]  # type: ignore[attr-defined] # a changed score
        signals = await read_topic("signals.v1", 1)
        assert ("kizuna.signal.opened", "champion_left") in {(s.type, s.data.signal) for s in signals}  # type: ignore[attr-defined] # a signal
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_migrations_make_the_tables_that_are_declared(health_service: HealthService) -> None:
    async with health_service.database.snapshot() as conn:
        rows = await fetch(
            conn,
            """select table_name, column_name, is_nullable = 'YES' as nullable from information_schema.columns
               where table_schema = 'health'""",
        )
        indexes = {row.indexname for row in await fetch(conn, "select indexname from pg_indexes")}
    made = {tuple(row) for row in rows}
    columns = [(table.name, column) for table in metadata.tables.values() for column in table.columns]
    assert {(name, column.name, column.nullable) for name, column in columns} == {
        each for each in made if each[0] in metadata.tables
    }
    assert {each[0] for each in made} - set(metadata.tables) == {"alembic_version"}
    assert {index.name for table in metadata.tables.values() for index in table.indexes} <= indexes


async def _publish(servers: str, prefix: str, events: list[Event]) -> None:
    publisher = Publisher(Cluster(servers), prefix=prefix)
    await publisher.start()
    try:
        topics = ["backfill.v1" if event.backfill else topic_of(event.type) for event in events]
        pairs = zip(topics, events, strict=True)
        await publisher.publish([Record(topic, event.subject.encode(), encode_event(event)) for topic, event in pairs])
    finally:
        await publisher.stop()


async def _answers(client: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await client.get(path)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def _score(client: httpx.AsyncClient, score: float) -> bool:
    items = (await client.get("/v1/portfolio")).json()["items"]
    return [(item["account_id"], item["score"]) for item in items] == [("acme", score)]
