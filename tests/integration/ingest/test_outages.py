"""When broker or database are away, ingest says so in time, takes what it can, and loses nothing it answered for."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.ports import free_port
from deploy.local.postgres import Postgres
from shared import migrate
from shared.cluster import Cluster
from shared.database_roles import service_url
from tests.plugins.ingest import Ingest, StartIngest
from tests.plugins.kafka import OwnBroker
from tests.plugins.runtime import until
from tests.unit.ingest.recordings import call


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[Postgres]:
    """A server of the test's own, which it may stop and freeze."""
    server = Postgres(tmp_path / "postgres", free_port(), tied=True, durable=False)
    try:
        await asyncio.to_thread(server.start)
        await migrate.migrate(server.url(), {"ingest": "secret"})
        yield server
    finally:
        server.stop()


def url_of(server: Postgres) -> str:
    return service_url(server.url(), "ingest", "secret")


def frozen(pid: int | None) -> Generator[None, None, None]:
    """Freeze a process and all its children until the generator goes on."""
    root = psutil.Process(pid)
    family = [root, *root.children(recursive=True)]
    for each in family:
        os.kill(each.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            if each.is_running():
                os.kill(each.pid, signal.SIGCONT)


def assert_come_again(answer: httpx.Response, began: float) -> None:
    assert time.monotonic() - began < 5.5
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert {"code", "message"} <= set(answer.json())


async def is_ready(ingest: Ingest) -> bool:
    return (await ingest.http.get("/readyz")).status_code == 200


async def not_ready(ingest: Ingest) -> bool:
    return not await is_ready(ingest)


async def turned_away(ingest: Ingest) -> float:
    lines = (await ingest.http.get("/metrics")).text.splitlines()
    name = 'kizuna_ingest_events_total{outcome="turned_away"} '
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


async def test_a_frozen_broker_is_a_503_in_time_and_works_again(start_ingest: StartIngest, broker: OwnBroker) -> None:
    ingest = await start_ingest(kafka=Cluster(broker.bootstrap_servers))
    assert (await ingest.post("/v1/track", content=call())).status_code == 200
    assert await is_ready(ingest)
    before = await turned_away(ingest)
    freeze = frozen(broker.program.pid())
    next(freeze)
    began = time.monotonic()
    answers = await asyncio.gather(*(ingest.post("/v1/track", content=call(messageId=f"m{n}")) for n in range(20)))
    for answer in answers:
        assert_come_again(answer, began)
    assert await turned_away(ingest) == before + 20
    await until(lambda: not_ready(ingest))
    freeze.close()
    await until(lambda: is_ready(ingest))
    assert (await ingest.post("/v1/track", content=call())).status_code == 200
    assert (await ingest.get("/v1/status"))["inflight"] == 0


async def test_a_stopped_broker_is_a_503_in_time(start_ingest: StartIngest, broker: OwnBroker) -> None:
    ingest = await start_ingest(kafka=Cluster(broker.bootstrap_servers))
    broker.stop()
    before, began = await turned_away(ingest), time.monotonic()
    three = b",".join(call(messageId=f"m{n}", type="track") for n in range(3))
    assert_come_again(await ingest.post("/v1/batch", content=b'{"batch":[%s]}' % three), began)
    assert await turned_away(ingest) == before + 3
    await until(lambda: not_ready(ingest))


async def test_without_a_database_known_keys_and_accounts_suffice(
    start_ingest: StartIngest, own_postgres: Postgres
) -> None:
    ingest = await start_ingest(database_url=url_of(own_postgres))
    assert await is_ready(ingest)
    own_postgres.stop()
    assert (await ingest.post("/v1/track", content=call())).json()["accepted"] == 1
    waits = [call(context=...), call(type="group", groupId="a1"), call(event=...), call(type="alias", previousId="x")]
    before = await turned_away(ingest)
    for raw in waits:
        began = time.monotonic()
        assert_come_again(await ingest.post("/v1/batch", content=b'{"batch":[%s]}' % raw), began)
    assert await turned_away(ingest) == before + len(waits)
    wrong = await ingest.http.post("/v1/track", content=call(), headers={"x-write-key": "kz_00000000_" + "0" * 48})
    assert wrong.status_code == 401
    assert "database" in (await ingest.http.get("/readyz")).json()["parts"]
    await asyncio.to_thread(own_postgres.start)
    await until(lambda: is_ready(ingest))
    for raw in waits:
        assert (await ingest.post("/v1/batch", content=b'{"batch":[%s]}' % raw)).status_code == 200


async def test_a_frozen_database_does_not_hang_anybody(start_ingest: StartIngest, own_postgres: Postgres) -> None:
    ingest = await start_ingest(database_url=url_of(own_postgres))
    freeze = frozen(own_postgres.program.pid())
    next(freeze)
    began = time.monotonic()
    answers = await asyncio.gather(
        *(ingest.post("/v1/track", content=call(messageId=f"m{n}", context=...)) for n in range(20)),
        *(ingest.post("/v1/track", content=call(messageId=f"n{n}")) for n in range(20)),
    )
    for answer in answers[:20]:
        assert_come_again(answer, began)
    assert {answer.status_code for answer in answers[20:]} == {200}
    freeze.close()
    await until(lambda: is_ready(ingest))

    async def parks() -> bool:
        return (await ingest.post("/v1/track", content=call(context=...))).status_code == 200

    await until(parks, seconds=30)


async def test_a_slow_client_holds_nothing_up(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield b'{"batch"'
        await asyncio.sleep(1.5)
        yield b":[]}"

    slow = asyncio.create_task(ingest.post("/v1/batch", content=trickle()))
    assert (await ingest.post("/v1/track", content=call())).status_code == 200
    assert (await slow).status_code == 200
