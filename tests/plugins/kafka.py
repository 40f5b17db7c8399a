"""A real broker: an embedded one of its own for every test, or the one that KAFKA_BOOTSTRAP_SERVERS names."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import Broker
from deploy.local.plan import plan_of
from deploy.local.ports import free_port


@pytest.fixture
def external_broker(tmp_path: Path) -> str | None:
    """Address of the broker that others run, if the environment names one. The local stack's is none: it is in use."""
    return plan_of(os.environ, tmp_path).kafka


@pytest.fixture
def topic_prefix(external_broker: str | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Prefix of a test's topics, also in KIZUNA_TOPIC_PREFIX: unique on a broker which others use, "" on an own one."""
    prefix = f"test-{secrets.token_hex(6)}-" if external_broker else ""
    monkeypatch.setenv("KIZUNA_TOPIC_PREFIX", prefix)
    return prefix


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """An embedded broker that a test may stop and start again."""
    broker = Broker(tmp_path / "broker", free_port(), tied=True)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def bootstrap_servers(request: pytest.FixtureRequest, external_broker: str | None, topic_prefix: str) -> str:
    """Address of an empty broker (or of an external one, together with `topic_prefix`)."""
    return external_broker or request.getfixturevalue("broker").bootstrap_servers
