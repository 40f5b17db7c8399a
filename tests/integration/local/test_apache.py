"""Apache Kafka as a process, where it has been fetched: what it keeps over a stop and over kill -9."""

import os
import shutil
import signal
from asyncio import to_thread
from dataclasses import replace

import psutil
import pytest

from deploy.local import stack
from deploy.local.apache import ApacheBroker
from deploy.local.jars import jars, java
from deploy.local.plan import APACHE
from deploy.local.processes import wait_for
from deploy.local.standing import status
from shared.cluster import Cluster
from shared.kafka import Record
from shared.kafka_admin import create_topics, describe
from shared.produce import Publisher
from tests.plugins.stack import NewPlan
from tests.plugins.topics import read_values

pytestmark = pytest.mark.skipif(
    shutil.which(java()) is None or not jars().exists(), reason="no Apache Kafka: `make up KAFKA=apache` fetches it"
)


async def publish(broker: ApacheBroker, *values: bytes) -> None:
    await create_topics(Cluster(broker.bootstrap_servers), ["kept"], 1)
    publisher = Publisher(Cluster(broker.bootstrap_servers), deadline=30)
    await publisher.start()
    try:
        await publisher.publish([Record("kept", b"key", value) for value in values])
    finally:
        await publisher.stop()


async def kill(broker: ApacheBroker) -> None:
    pid = broker.program.pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert await to_thread(wait_for, lambda: broker.program.pid() is None, 10)


async def test_records_and_identity_survive_a_stop_and_a_kill(apache_broker: ApacheBroker) -> None:
    await publish(apache_broker, b"one")
    before = await describe(Cluster(apache_broker.bootstrap_servers), ["kept"])
    assert await to_thread(apache_broker.stop)
    await to_thread(apache_broker.start)
    await publish(apache_broker, b"two")
    await kill(apache_broker)
    await to_thread(apache_broker.start)
    await publish(apache_broker, b"three")
    assert await read_values(apache_broker.bootstrap_servers, "kept", 3) == [b"one", b"two", b"three"]
    assert await describe(Cluster(apache_broker.bootstrap_servers), ["kept"]) == before


async def test_it_listens_on_loopback_alone_also_for_its_controller(apache_broker: ApacheBroker) -> None:
    process = psutil.Process(apache_broker.program.pid())
    listening = {c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_a_stack_on_it_may_stop_with_work_left_and_says_which_broker_it_has(
    new_plan: NewPlan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = replace(new_plan(), broker=APACHE)
    monkeypatch.setenv("KIZUNA_STUB_ALERTS", "lagging")
    monkeypatch.setattr(stack, "_POLITE_DRAIN_SECONDS", 1.0)
    stack.up(plan)
    [broker] = [part for part in status(plan) if part.name == "broker"]
    assert broker.note.startswith("apache, process ")
    stack.down(plan)
    assert "alerts     7 records not read are kept by the broker" in capsys.readouterr().err
