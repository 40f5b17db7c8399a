"""Archives: a folder and an S3 bucket at a real S3 server, and archivers as processes that a test may kill or stop."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from deploy.local.ports import free_port
from deploy.local.processes import Program
from shared.archive.store import Store
from shared.cluster import Cluster
from shared.kafka_admin import create_topics
from shared.kafka_producer import Producer
from tests.integration.archive.feeding import PARTITIONS, TOPICS, Feed, NewArchiver


@pytest.fixture
def archive(tmp_path: Path) -> Store:
    """An empty archive in a folder."""
    return Store((tmp_path / "archive").as_uri())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty archive in a bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        told = {"ENDPOINT": url, "ALLOW_HTTP": "true", "REGION": "eu-north-1"}
        for name, value in (told | {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}).items():
            monkeypatch.setenv(f"AWS_{name}", value)
        name = f"records-{secrets.token_hex(4)}"  # what one server of a process was given, the next one still has
        httpx.put(f"{url}/{name}").raise_for_status()
        yield Store(f"s3://{name}/of-us")
    finally:
        server.stop()


@pytest.fixture
def new_archiver(archive: Store, bootstrap_servers: str, topic_prefix: str, tmp_path: Path) -> Iterator[NewArchiver]:
    """`new_archiver("one", module=…)` starts an archiver process on `archive`."""
    started: list[Program] = []

    def start(name: str, module: str = "shared.archive", **more: str) -> Program:
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "KIZUNA_TOPIC_PREFIX": topic_prefix,
            "KIZUNA_SESSION_SECONDS": "2",
            "KIZUNA_ARCHIVE_PORT": str(free_port()),
            "KIZUNA_ARCHIVE_STORE": archive.url,
            "KIZUNA_ARCHIVE_FLUSH_SECONDS": "0.3",
            **more,
        }
        program = Program(name, (sys.executable, "-P", "-m", module), tmp_path, environment, tied=True)
        program.start()
        started.append(program)
        return program

    yield start
    for program in started:
        if pid := program.pid():
            subprocess.run(["kill", "-CONT", str(pid)], check=False)
        program.stop()


@pytest.fixture
async def feed(bootstrap_servers: str, topic_prefix: str) -> AsyncIterator[Feed]:
    """Somebody who writes numbered records over all places of an empty broker."""
    await create_topics(Cluster(bootstrap_servers), [*TOPICS], PARTITIONS, topic_prefix)
    producer = await Producer.connect(Cluster(bootstrap_servers), 5)
    yield Feed(producer, topic_prefix)
    await producer.stop()
