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
import psutil

from deploy.local.plan import broker_kind
from deploy.local.ports import HOST, free_port
from deploy.local.postgres import Postgres
from deploy.local.processes import wait_for
from deploy.local.programs import BROKERS
from deploy.local.topics import make_topics
from shared.access import mint, new_key_pair
from shared.cluster import Cluster
from shared.database_roles import service_url
from shared.events import Event, UsageRecorded, encode_event
from shared.kafka import Record
from shared.kafka_admin import create_topics
from shared.migrate import migrate
from shared.produce import Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 40.0
CHUNK = 5000


@dataclass
class Servers:
    """Processes by URL; `key` is a write key. KAFKA says what broker to start, KAFKA_BOOTSTRAP_SERVERS which to use."""

    folder: Path
    bootstrap: str = field(default_factory=lambda: os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""))
    ingest: str = ""
    second: str = ""
    naive: str = ""
    key: str = ""
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start everything but health and wait until it answers."""
        self._postgres = Postgres(self.folder / "postgres", free_port(), tied=True)
        self._postgres.start()
        kind = BROKERS[broker_kind(os.environ)]
        self._broker = None if self.bootstrap else kind(self.folder / "broker", free_port(), tied=True)
        if self._broker:
            self._broker.start()
            self.bootstrap = self._broker.bootstrap_servers
        asyncio.run(make_topics(Cluster(self.bootstrap), os.environ))
        asyncio.run(create_topics(Cluster(self.bootstrap), ["naive.v1", "bare.v1"], 12))
        self._private, public = new_key_pair()
        (self.folder / "public.pem").write_text(public)
        asyncio.run(migrate(self._postgres.url(), {"ingest": "secret"}))
        self.ingest = self._service("ingest", self._postgres.url())
        self.second = self._service("ingest", self._postgres.url())
        self.naive = self._run("naive", [sys.executable, "-m", "tests.bench.naive", self.bootstrap], {})
        self.key = self._new_key()

    def stop(self) -> None:
        """Stop everything."""
        for process in reversed(self._processes.values()):
            _end(process)
        if self._broker:
            self._broker.stop()
        self._postgres.stop()

    def cpu(self, url: str) -> float:
        """Return the seconds of processor time that the process behind `url` has used so far."""
        used = psutil.Process(self._processes[url].pid).cpu_times()
        return float(used.user + used.system)

    def memory(self, url: str) -> float:
        """Return the MiB of memory that the process behind `url` holds."""
        return float(psutil.Process(self._processes[url].pid).memory_info().rss) / 2**20

    @contextmanager
    def fresh_health(self, **settings: str) -> Iterator[str]:
        """Run health with an empty database of its own; yields its URL."""
        name = f"bench_{secrets.token_hex(4)}"
        url = asyncio.run(_new_database(self._postgres.url(), name))
        asyncio.run(migrate(url, {"health": "secret"}))
        running = self._service("health", url, **settings)
        try:
            yield running
        finally:
            _end(self._processes.pop(running))

    def token(self) -> str:
        """Return an administrator's token."""
        return mint(self._private, "bench", "admin", timedelta(hours=1))

    def _service(self, name: str, admin_url: str, **settings: str) -> str:
        environment = {
            f"KIZUNA_{name.upper()}_DATABASE_URL": service_url(admin_url, name, "secret"),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KIZUNA_PUBLIC_KEY_FILE": str(self.folder / "public.pem"),
            "KIZUNA_SESSION_SECONDS": "2",
            **settings,
        }
        return self._run(name, [sys.executable, "-m", f"services.{name}"], environment)

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> str:
        port = free_port()
        url = f"http://{HOST}:{port}"
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[url] = subprocess.Popen(
                [*command, str(port)] if name == "naive" else command,
                env=os.environ | environment | {f"KIZUNA_{name.upper()}_PORT": str(port)},
                stdout=log,
                stderr=log,
            )
        if not wait_for(lambda: _answers(f"{url}/livez"), PATIENCE, every=0.1):
            raise SystemExit(f"{name} did not start:\n" + (self.folder / f"{name}.log").read_text()[-3000:])
        return url

    def _new_key(self) -> str:
        headers = {"authorization": f"Bearer {self.token()}"}
        answer = httpx.post(f"{self.ingest}/v1/keys", json={"source": "bench"}, headers=headers, timeout=10)
        return str(answer.raise_for_status().json()["key"])


def preload(bootstrap: str, count: int, accounts: int = 500, prefix: str = "") -> None:
    """Write `count` usage events of so many accounts and 20 people each to usage.v1."""
    asyncio.run(_preload(bootstrap, count, accounts, prefix))


async def _preload(bootstrap: str, count: int, accounts: int, prefix: str) -> None:
    publisher, moment = Publisher(Cluster(bootstrap), prefix=prefix), datetime.now(UTC)
    await publisher.start()
    for start in range(0, count, CHUNK):
        events = [_usage(n, f"account-{n % accounts}", moment) for n in range(start, min(start + CHUNK, count))]
        await publisher.publish([Record("usage.v1", e.subject.encode(), encode_event(e)) for e in events])
    await publisher.stop()


def _usage(number: int, account: str, moment: datetime) -> Event:
    data = UsageRecorded(event=f"kind_{number % 10}", person_id=f"person-{number % 20}")
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
