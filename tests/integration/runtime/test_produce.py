"""Publishing: acknowledged or refused in time, whatever the broker does."""

import asyncio
import os
import signal
import time

import psutil
import pytest

from shared.cluster import Cluster
from shared.errors import NotReady
from shared.produce import IN_FLIGHT_BYTES, Publisher
from tests.plugins.kafka import OwnBroker
from tests.plugins.runtime import record, until, usage
from tests.plugins.topics import ReadTopic


async def test_a_frozen_broker_means_a_refusal_in_time_and_recovery_after(
    publisher: Publisher, broker: OwnBroker
) -> None:
    await publisher.publish([record(usage("a", "before"))])
    os.kill(broker.program.pid() or 0, signal.SIGSTOP)
    try:
        await until(lambda: psutil.Process(broker.program.pid() or 0).status() == psutil.STATUS_STOPPED, 5)
        began = time.monotonic()
        with pytest.raises(NotReady):
            await publisher.publish([record(usage("a", "during"))])
        assert time.monotonic() - began < 5
        await until(lambda: unanswered(publisher), 10)
    finally:
        os.kill(broker.program.pid() or 0, signal.SIGCONT)
    began = time.monotonic()

    async def works() -> bool:
        try:
            await publisher.publish([record(usage("a", "after"))])
        except NotReady:
            return False
        return True

    await until(works, 10)
    assert time.monotonic() - began < 6
    assert publisher.in_flight == 0


async def unanswered(publisher: Publisher) -> bool:
    try:
        await publisher.ping()
    except NotReady:
        return True
    return False


async def test_without_a_broker_the_refusal_comes_within_the_deadline() -> None:
    publisher = Publisher(Cluster("127.0.0.1:1"), deadline=1)
    await publisher.start()
    began = time.monotonic()
    with pytest.raises(NotReady, match="Send again"):
        await publisher.publish([record(usage("a", "e"))])
    assert time.monotonic() - began < 1.5
    await publisher.stop()
    assert time.monotonic() - began < 5


async def test_memory_is_bounded(publisher: Publisher) -> None:
    publisher.in_flight = IN_FLIGHT_BYTES
    with pytest.raises(NotReady) as refused:
        await publisher.publish([record(usage("a", "e"))])
    assert refused.value.code == "overloaded"
    publisher.in_flight = 0


async def test_records_over_a_batch_are_split_and_all_acknowledged(publisher: Publisher) -> None:
    value = b"x" * 60_000
    await publisher.publish([record(usage("a", f"e{n}"), value) for n in range(40)])
    assert publisher.in_flight == 0


async def test_what_many_publish_at_once_keeps_its_order(publisher: Publisher, read_topic: ReadTopic) -> None:
    accounts, each = ("a", "b", "c"), 60
    pairs = [[record(usage(account, f"{account}-{n}")) for account in accounts] for n in range(each)]
    await asyncio.gather(publisher.publish([]), *(publisher.publish(records) for records in pairs))
    found = await read_topic("usage.v1", len(accounts) * each)
    for account in accounts:
        assert [event.id for event in found if event.subject == account] == [f"{account}-{n}" for n in range(each)]
    assert publisher.in_flight == 0


async def test_a_farewell_sends_what_is_queued(publisher: Publisher, read_topic: ReadTopic) -> None:
    await publisher.publish([record(usage("a", "first"))])  # now it is connected
    publishing = [asyncio.create_task(publisher.publish([record(usage("a", f"e{n}"))])) for n in range(50)]
    await asyncio.sleep(0)  # lets them queue
    await publisher.stop()
    await asyncio.gather(*publishing)
    assert len(await read_topic("usage.v1", 51)) == 51
