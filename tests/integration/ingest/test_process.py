"""Ingest as a process: it says what it lacks, drains on SIGTERM, and whatever dies, what it answered for is there."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import HOST, free_port
from shared.access import mint, new_key_pair
from shared.cluster import Cluster
from shared.kafka_admin import create_topics
from tests.plugins.ingest import PARTITIONS, TOPICS
from tests.plugins.postgres import ServiceDatabase
from tests.plugins.runtime import until
from tests.plugins.topics import ReadTopic
from tests.unit.ingest.recordings import call


@dataclass
class Running:
    process: Process
    http: httpx.AsyncClient
    key: str = ""

    async def post(self, number: int) -> bool:
        """Post one event; whether it was answered with a 200."""
        try:
            answer = await self.http.post(
                "/v1/track", content=call(messageId=f"m{number}"), headers={"x-write-key": self.key}
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


Start = Callable[[], Awaitable[Running]]


@pytest.fixture
async def start(
    service_database: ServiceDatabase, bootstrap_servers: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Start]:
    private, public = new_key_pair()
    (tmp_path / "public.pem").write_text(public)
    await create_topics(Cluster(bootstrap_servers), TOPICS, PARTITIONS, topic_prefix)
    environment = os.environ | {
        "KIZUNA_INGEST_DATABASE_URL": await service_database("ingest"),
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "KIZUNA_PUBLIC_KEY_FILE": str(tmp_path / "public.pem"),
    }
    running: list[Running] = []

    async def run() -> Running:
        port = free_port()
        command = (sys.executable, "-m", "services.ingest")
        process = await asyncio.create_subprocess_exec(
            *command, env=environment | {"KIZUNA_INGEST_PORT": str(port)}, stderr=asyncio.subprocess.DEVNULL
        )
        one = Running(process, httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=10))
        running.append(one)
        await until(lambda: _is_ready(one), seconds=40)
        token = mint(private, "ops", "admin", timedelta(hours=1))
        made = await one.http.post("/v1/keys", json={"source": "s"}, headers={"authorization": f"Bearer {token}"})
        one.key = made.json()["key"]
        return one

    yield run
    for one in running:
        await one.http.aclose()
        if one.process.returncode is None:
            one.process.kill()
        await one.process.wait()


async def _is_ready(one: Running) -> bool:
    assert one.process.returncode is None
    try:
        return (await one.http.get("/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


async def _posting(one: Running, answered: set[str]) -> None:
    for number in range(100_000):
        if not await one.post(number):
            return
        answered.add(f"m{number}")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_answered_for_is_there(how: signal.Signals, start: Start, read_topic: ReadTopic) -> None:
    one = await start()
    answered: set[str] = set()
    posting = asyncio.create_task(_posting(one, answered))
    await until(lambda: len(answered) >= 50)
    one.process.send_signal(how)
    code = await asyncio.wait_for(one.process.wait(), 10)
    await posting
    assert code == (0 if how == signal.SIGTERM else -how)
    assert answered <= {event.id for event in await read_topic("usage.v1", len(answered))}


async def test_a_key_outlives_the_process_that_made_it(start: Start) -> None:
    one = await start()
    one.process.terminate()
    assert await one.process.wait() == 0
    other = await start()
    other.key = one.key
    assert await other.post(1)


async def _complaint(environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ingest", env=environment, stderr=PIPE, stdout=PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode not in (0, None)
    return said.decode()


async def test_a_missing_or_wrong_setting_is_named() -> None:
    environment = {"PATH": os.environ["PATH"], "KIZUNA_INGEST_PARKED_DAYS": "-1"}
    complaint = await _complaint(environment)
    for name in ("KIZUNA_INGEST_DATABASE_URL", "KIZUNA_INGEST_PARKED_DAYS"):
        assert name in complaint
    assert "Traceback" not in complaint


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_text(new_key_pair()[1])
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        environment = {
            "PATH": os.environ["PATH"],
            "KIZUNA_INGEST_PORT": str(taken.getsockname()[1]),
            "KIZUNA_INGEST_DATABASE_URL": f"postgresql://nobody:x@{HOST}:1/none",
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:1",
            "KIZUNA_PUBLIC_KEY_FILE": str(tmp_path / "public.pem"),
        }
        assert "KIZUNA_INGEST_PORT" in await _complaint(environment)
