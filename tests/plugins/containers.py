"""Servers in containers, for a run with KIZUNA_TEST_SERVERS=containers: the suite then takes them for external ones.

Asked for and not to be had, the run ends at once: a suite that fell back to other servers would prove another thing.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import yaml

from deploy.local.ports import HOST, free_port
from deploy.local.processes import wait_for
from shared.cluster import Cluster
from shared.kafka_admin import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from testcontainers.core.container import DockerContainer

_VARIABLE = "KIZUNA_TEST_SERVERS"
_COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
_START_SECONDS = 120.0


@pytest.fixture(scope="session", autouse=True)
def container_servers() -> Iterator[None]:
    """Start PostgreSQL and Kafka as the compose file has them, if the environment asks for that."""
    wanted = os.environ.get(_VARIABLE, "")
    if wanted not in ("", "containers"):
        pytest.exit(f"{_VARIABLE}={wanted}: the only other servers that tests can start are `containers`", 2)
    if not wanted:
        yield
        return
    try:
        from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415 - only where it is asked for

        DockerClient().client.ping()
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the run cannot be what it was asked to be
        pytest.exit(f"{_VARIABLE}=containers, but no container engine answers: {error}", 2)
    services = yaml.safe_load(_COMPOSE.read_text())["services"]
    kafka_port, postgres_port, password = free_port(), free_port(), secrets.token_urlsafe()
    brokers, database = f"{HOST}:{kafka_port}", f"postgresql://postgres:{password}@{HOST}:{postgres_port}/postgres"
    kafka = services["kafka"]["environment"] | {
        "KAFKA_LISTENERS": f"PLAINTEXT://:{kafka_port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{brokers}",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    }
    with (
        _running(services["kafka"]["image"], kafka, (kafka_port, kafka_port)) as broker,
        _running(services["postgres"]["image"], {"POSTGRES_PASSWORD": password}, (5432, postgres_port)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        _await(broker, lambda: describe(Cluster(brokers), ["any"]))
        _await(server, lambda: _connect(database))
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", brokers)
        patch.setenv("DATABASE_URL", database)
        yield


@contextmanager
def _running(image: str, environment: Mapping[str, str], ports: tuple[int, int]) -> Iterator[DockerContainer]:
    """Run a container until the block ends; `ports` are the container's and this machine's."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where it is asked for

    container = DockerContainer(image).with_bind_ports(*ports)
    for name, value in environment.items():
        container = container.with_env(name, value)
    with container:
        yield container


def _await(container: DockerContainer, ask: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Wait until the server itself answers: the engine accepts connections to its port sooner."""

    def answers() -> bool:
        with suppress(Exception):
            asyncio.run(ask())
            return True
        return False

    if not wait_for(answers, _START_SECONDS, every=0.5):
        pytest.exit(f"{container.image} does not answer after {_START_SECONDS:.0f} s:\n{container.get_logs()}", 2)


async def _connect(url: str) -> None:
    await (await asyncpg.connect(url)).close()
