"""The servers that a bench run measures, on free ports: PostgreSQL, a broker, ingest, health and the naive route."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import httpx

from deploy.local.broker import Broker
from deploy.local.ports import HOST, free_port
from deploy.local.postgres import Postgres
from deploy.local.processes import wait_for
from deploy.local.topics import make_topics
from shared.access import mint, new_key_pair
from shared.database_roles import service_url
from shared.events import Event, UsageRecorded, encode_event
from shared.kafka import Record, create_topics
from shared.migrate import migrate
from shared.produce import Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 40.0
CHUNK = 5000


@dataclass
class Servers:
    """Processes by name; `key` is a write key of ingest. KAFKA_BOOTSTRAP_SERVERS names another broker to use."""

    folder: Path
    bootstrap: str = field(default_factory=lambda: os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""))
    ingest: str = ""
    naive: str = ""
    key: str = ""
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start everything but health and wait until it answers."""
        self._postgres = Postgres(self.folder / "postgres", free_port(), tied=True)
        self._postgres.start()
        self._broker = None if self.bootstrap else Broker(self.folder / "broker", free_port(), tied=True)
        if self._broker:
            self._broker.start()
            self.bootstrap = self._broker.bootstrap_servers
        asyncio.run(make_topics(self.bootstrap, os.environ))
        asyncio.run(create_topics(self.bootstrap, ["naive.v1", "bare.v1"], 12))
        self._private, public = new_key_pair()
        (self.folder / "public.pem").write_text(public)
        asyncio.run(migrate(self._postgres.url(), {"ingest": "secret"}))
        self.ingest = self._service("ingest", self._postgres.url())
        self.naive = self._run("naive", [sys.executable, "-m", "tests.bench.naive", self.bootstrap], {})
        self.key = self._new_key()

    def stop(self) -> None:
        """Stop everything."""
        for process in reversed(self._processes):
            _end(process)
        if self._broker:
            self._broker.stop()
        self._postgres.stop()

    @contextmanager
    def fresh_health(self) -> Iterator[str]:
        """Run health with an empty database of its own; yields its URL."""
        name = f"bench_{secrets.token_hex(4)}"
        url = asyncio.run(_new_database(self._postgres.url(), name))
        asyncio.run(migrate(url, {"health": "secret"}))
        running = self._service("health", url)
        try:
            yield running
        finally:
            _end(self._processes.pop())

    def _service(self, name: str, admin_url: str) -> str:
        environment = {
            f"KIZUNA_{name.upper()}_DATABASE_URL": service_url(admin_url, name, "secret"),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KIZUNA_PUBLIC_KEY_FILE": str(self.folder / "public.pem"),
            "KIZUNA_SESSION_SECONDS": "2",
        }
        return self._run(name, [sys.executable, "-m", f"services.{name}"], environment)

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> str:
        port = free_port()
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [*command, str(port)] if name == "naive" else command,
                    env=os.environ | environment | {f"KIZUNA_{name.upper()}_PORT": str(port)},
                    stdout=log,
                    stderr=log,
                )
            )
        url = f"http://{HOST}:{port}"
        if not wait_for(lambda: _answers(f"{url}/livez"), PATIENCE, every=0.1):
            raise SystemExit(f"{name} did not start:\n" + (self.folder / f"{name}.log").read_text()[-3000:])
        return url

    def _new_key(self) -> str:
        token = mint(self._private, "bench", "admin", timedelta(hours=1))
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.post(f"{self.ingest}/v1/keys", json={"source": "bench"}, headers=headers, timeout=10)
        return str(answer.raise_for_status().json()["key"])


def preload(bootstrap: str, count: int) -> None:
    """Write `count` usage events of 500 accounts and 20 people each to usage.v1."""
    asyncio.run(_preload(bootstrap, count))


async def _preload(bootstrap: str, count: int) -> None:
    publisher, moment = Publisher(bootstrap), datetime.now(UTC)
    await publisher.start()
    for start in range(0, count, CHUNK):
        events = [_usage(n, moment) for n in range(start, min(start + CHUNK, count))]
        await publisher.publish([Record("usage.v1", e.subject.encode(), encode_event(e)) for e in events])
    await publisher.stop()


def _usage(number: int, moment: datetime) -> Event:
    data = UsageRecorded(event=f"kind_{number % 10}", person_id=f"person-{number % 20}")
    account = f"account-{number % 500}"
    return Event(f"preloaded-{number}", "bench", "kizuna.usage.recorded", account, moment, moment, data)


async def _new_database(admin_url: str, name: str) -> str:
    connection = await asyncpg.connect(admin_url)
    await connection.execute(f"create database {name}")
    await connection.close()
    return admin_url.rsplit("/", 1)[0] + f"/{name}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code in (200, 404)
    except httpx.HTTPError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(12)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
