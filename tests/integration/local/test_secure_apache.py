"""Into an Apache Kafka behind TLS, by password or certificate; who is not let in learns why, in time."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.jars import jars, java
from shared.cluster import Cluster
from shared.errors import NotReady
from shared.kafka import BrokerError, Polled, Record
from shared.kafka_admin import create_topics, describe, list_topics
from shared.kafka_producer import Producer
from shared.kafka_reader import Group, Reader
from shared.produce import Publisher
from tests.plugins.certificates import self_signed
from tests.plugins.secure_kafka import SecureBroker

pytestmark = pytest.mark.skipif(
    shutil.which(java()) is None or not jars().exists(), reason="no Apache Kafka: `make up KAFKA=apache` fetches it"
)
IN_TIME = 10.0
INTO: dict[str, Callable[[SecureBroker], Cluster]] = {
    "PLAIN": lambda broker: broker.by_password("PLAIN"),
    "SCRAM-SHA-256": lambda broker: broker.by_password("SCRAM-SHA-256"),
    "SCRAM-SHA-512": lambda broker: broker.by_password("SCRAM-SHA-512"),
    "certificate": lambda broker: broker.by_certificate(broker.client),
}
REFUSED: dict[str, tuple[Callable[[SecureBroker, Path], Cluster], str]] = {
    "wrong password": (lambda broker, _: broker.by_password(password="guessed"), "SaslAuthenticationFailed"),
    "wrong password, PLAIN": (lambda broker, _: broker.by_password("PLAIN", "guessed"), "SaslAuthenticationFailed"),
    "unknown authority": (
        lambda broker, folder: replace(broker.by_password(), ssl_cafile=str(self_signed(folder, "other").cert)),
        "certificate verify failed: self.signed certificate",
    ),
    "another host": (
        lambda broker, _: replace(broker.by_password(), bootstrap_servers=f"localhost:{broker.port}"),
        "certificate is not valid for 'localhost'",
    ),
    "unknown certificate": (
        lambda broker, folder: broker.by_certificate(self_signed(folder, "stranger")),
        "alert certificate unknown",
    ),
    "in the clear": (lambda broker, _: Cluster(broker.bootstrap_servers), "Is PLAINTEXT what is spoken there"),
}


async def read(kafka: Cluster, topic: str, least: int) -> list[Polled]:
    reader = Reader(kafka, Group(f"readers of {topic}", 6), [topic])
    await reader.start()
    try:
        async with asyncio.timeout(15):
            while not reader.assigned:
                await reader.poll((), 0.1, 1)
            for place, first in (await reader.earliest(reader.assigned)).items():
                reader.seek(place, first)
            found: list[Polled] = []
            while len(found) < least:
                found += await reader.poll(reader.assigned, 0.2, 10)
            return found
    finally:
        await reader.stop()


@pytest.mark.parametrize("way", INTO)
async def test_what_is_published_is_read(way: str, secure_broker: SecureBroker) -> None:
    kafka, topic = INTO[way](secure_broker), f"{way}.v1"
    await create_topics(kafka, [topic], 1)
    assert topic in await list_topics(kafka)
    assert (await describe(kafka, [topic])).partitions == {topic: 1}
    publisher = Publisher(kafka, deadline=10)
    await publisher.start()
    try:
        await publisher.publish([Record(topic, b"key", value) for value in (b"one", b"two")])
        await publisher.ping()
    finally:
        await publisher.stop()
    assert [each.value for each in await read(kafka, topic, 2)] == [b"one", b"two"]


@pytest.mark.parametrize("who", REFUSED)
async def test_who_is_not_let_in_learns_why_in_time(
    who: str, secure_broker: SecureBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access, why = REFUSED[who]
    kafka = access(secure_broker, tmp_path)
    reader = Reader(kafka, Group("refused", 6), ["any.v1"])
    try:
        for ask in (lambda: Producer.connect(kafka, 3), reader.start, lambda: create_topics(kafka, ["any.v1"], 1)):
            began = time.monotonic()
            with pytest.raises(BrokerError, match=why):
                await ask()
            assert time.monotonic() - began < IN_TIME
    finally:
        await reader.stop()
    with caplog.at_level(logging.WARNING), pytest.raises(NotReady, match=why):
        await readiness(kafka)
    assert "guessed" not in caplog.text


async def readiness(kafka: Cluster) -> None:
    """Raise what a service says of its broker once it has tried to get in."""
    publisher = Publisher(kafka, deadline=4)
    await publisher.start()
    try:
        with pytest.raises(NotReady, match="did not acknowledge"):
            await publisher.publish([Record("any.v1", b"key", b"value")])
        await publisher.ping()
    finally:
        await publisher.stop()
