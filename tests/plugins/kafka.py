"""A real broker: an embedded one of its own for every test, unless the environment says otherwise.

KAFKA_BOOTSTRAP_SERVERS names one that others run; KAFKA=apache starts one Apache Kafka for the whole run. Tests share
it, told apart by the prefix of their topics; one that stops its broker (fixture `broker`) has its own all the same.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.apache import ApacheBroker
from deploy.local.broker import Broker
from deploy.local.plan import EMBEDDED, broker_kind, plan_of
from deploy.local.ports import free_port

OwnBroker = Broker | ApacheBroker
B = TypeVar("B", Broker, ApacheBroker)
_FIXTURES = {"broker", "bootstrap_servers", "apache_broker", "secure_broker"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a broker, itself or by another fixture: `-m broker` is the suite that is worth another broker."""
    for item in items:
        if _FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("broker")


@contextmanager
def running(kind: type[B], folder: Path) -> Iterator[B]:
    """Start a broker on a free port; stop it at the end."""
    broker = kind(folder, free_port(), tied=True)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def embedded_broker(tmp_path: Path) -> Iterator[Broker]:
    """An embedded broker, whatever KAFKA says."""
    with running(Broker, tmp_path / "embedded") as broker:
        yield broker


@pytest.fixture
def apache_broker(tmp_path: Path) -> Iterator[ApacheBroker]:
    """An Apache Kafka of one's own, whatever KAFKA says."""
    with running(ApacheBroker, tmp_path / "apache") as broker:
        yield broker


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> OwnBroker:
    """A broker of the chosen kind that a test may stop and start again."""
    broker: OwnBroker = request.getfixturevalue(f"{broker_kind(os.environ)}_broker")
    return broker


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """Address of the broker that all tests share, if they do. The local stack's is none: it is in use."""
    folder = tmp_path_factory.mktemp("kafka")
    given = plan_of(os.environ, folder).kafka
    if given or broker_kind(os.environ) == EMBEDDED:
        yield given
        return
    with running(ApacheBroker, folder) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Prefix of a test's topics, also in KIZUNA_TOPIC_PREFIX: unique on a broker that is shared, "" on an own one."""
    shared = None if "broker" in request.fixturenames else request.getfixturevalue("shared_broker")
    prefix = f"test-{secrets.token_hex(6)}-" if shared else ""
    monkeypatch.setenv("KIZUNA_TOPIC_PREFIX", prefix)
    yield prefix
    if shared:
        with ThreadPoolExecutor() as beside:  # the test's own event loop may still be there
            beside.submit(asyncio.run, _delete_topics(shared, prefix)).result()


@pytest.fixture
def bootstrap_servers(request: pytest.FixtureRequest, topic_prefix: str) -> str:
    """Address of an empty broker (or of a shared one, together with `topic_prefix`)."""
    if topic_prefix:
        return str(request.getfixturevalue("shared_broker"))
    own: OwnBroker = request.getfixturevalue("broker")
    return own.bootstrap_servers


async def _delete_topics(bootstrap_servers: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
    finally:
        await admin.close()
