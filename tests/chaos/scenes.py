"""Directed scenes: in each, one promise of the product is all that stands between an event and harm.

The honest service must come out of its scene spotless, and its sabotaged twin must not, every time: nothing here is
left to chance. A scene waits for states, never for a time.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import asyncpg
import psutil
from aiokafka import AIOKafkaProducer

from tests.chaos.customers import Customer
from tests.chaos.patience import until
from tests.chaos.reading import unread
from tests.chaos.rest import rest
from tests.chaos.watching import waits_for_lock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tests.chaos.cluster import Cluster, Replica
    from tests.chaos.feeding import Sender

PATIENCE: Final = 180.0  # no deadline: what a scene waits for must come, on a busy machine later
CUSTOMERS: Final = 18  # enough for every partition to have some
GATE: Final = 4711
SLOW_COMMIT: Final = f"""
create or replace function chaos.wait() returns trigger language plpgsql as $$
begin perform pg_advisory_xact_lock_shared({GATE}); return null; end $$"""
TRIGGER: Final = """create constraint trigger slow_commit after insert on health.outbox deferrable initially deferred
                    for each row when (new.topic in ('health.v1', 'signals.v1')) execute function chaos.wait()"""
LETTERS: Final = "select count(*)::int as n from health.dead_letter where account_id is null and record_key = $1"
LETTERS_LEFT: Final = "select count(*)::int as n from health.outbox where topic like '%.dlq'"
CLAIMED: Final = "select 1 from health.lease where owner like $1 and claimed_at > $2"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a scene is played: `name` begins the names of its accounts."""

    cluster: Cluster
    sender: Sender
    name: str

    def customers(self, count: int = 1) -> list[Customer]:
        """Return accounts that nobody else has."""
        rng = random.Random(self.name)
        return [Customer(f"{self.name}{n}", rng) for n in range(count)]

    async def until(self, look: Callable[[], Awaitable[object]]) -> None:
        """Wait until something is so."""
        if not await until(look, PATIENCE):
            raise AssertionError(f"{self.name}: did not come about within {PATIENCE:.0f} s")

    async def blocked(self, service: str) -> Replica:
        """Return a replica that waits for a lock, as soon as there is one."""
        found: list[Replica] = []

        async def look() -> bool:
            found.extend([each for each in self.cluster.of(service) if await waits_for_lock(self.cluster, each)])
            return bool(found)

        await self.until(look)
        return found[0]

    def kill(self, replicas: Sequence[Replica]) -> None:
        """SIGKILL, and a new start."""
        for replica in replicas:
            pid = replica.program.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            while replica.program.pid() is not None:
                pass
            replica.program.start()

    @asynccontextmanager
    async def locked(self, table: str, mode: str) -> AsyncIterator[None]:
        """Hold a table while the block runs."""
        connection = await asyncpg.connect(self.cluster.postgres.url())
        try:
            await connection.execute(f"begin; lock table {table} in {mode} mode")
            yield
        finally:
            await connection.close()


async def killed_before_the_effect(stage: Stage) -> None:
    """Health has a batch and cannot write it yet; then it is killed."""
    (customer,) = stage.customers()
    async with stage.locked("health.usage_day", "exclusive"):
        await stage.sender.deliver([customer.usage() for _ in range(5)])
        victim = await stage.blocked("health")
        stage.kill([victim])


async def sent_again(stage: Stage) -> None:
    """A sender that never saw the answer sends the same again, after it was counted."""
    (customer,) = stage.customers()
    batch = [customer.usage() for _ in range(5)]
    for _ in range(2):
        await stage.sender.deliver(batch)
        await stage.until(lambda: _all_read(stage.cluster))


async def killed_without_a_broker(stage: Stage) -> None:
    """The broker cannot be reached; whatever ingest has told its sender meanwhile, it is killed then."""
    (customer,) = stage.customers()
    refused = stage.sender.refused
    stage.cluster.proxy.refuse()
    stage.cluster.proxy.cut()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(stage.sender.deliver([customer.usage() for _ in range(5)]))

        async def answered() -> bool:
            return sending.done() or stage.sender.refused > refused

        try:
            await stage.until(answered)
            stage.kill(stage.cluster.of("ingest"))
        finally:
            stage.cluster.proxy.heal()


async def woken_too_late(stage: Stage) -> None:
    """A replica stands still with a batch in its hands until others have read far beyond; then it wakes."""
    customers = stage.customers(CUSTOMERS)
    async with stage.locked("health.inbox", "access exclusive"):
        await stage.sender.deliver([each.usage() for each in customers])
        victim = await stage.blocked("health")
        pid = victim.program.pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    try:
        await stage.sender.deliver([each.usage() for each in customers])
        await stage.until(lambda: _all_read(stage.cluster))
    finally:
        woken = datetime.now(UTC)
        os.kill(pid, signal.SIGCONT)
    # It owns something again only after it has done with the batch that it held.
    await stage.until(lambda: stage.cluster.sql(CLAIMED, f"%/{pid}", woken))


async def killed_while_sending(stage: Stage) -> None:
    """Slack has the request and does not answer; then whoever sent it is killed."""
    (customer,) = stage.customers()
    inbox = stage.cluster.url("inbox")
    await stage.cluster.http.put(f"{inbox}/faults", json={"slack": ["hang"]})
    await stage.sender.deliver([*customer.arrive(), customer.leave()])

    async def hangs() -> bool:
        return not (await stage.cluster.http.get(f"{inbox}/faults")).json()["slack"]

    await stage.until(hangs)
    port = int(inbox.rpartition(":")[2])
    stage.kill([each for each in stage.cluster.of("alerts") if _talks_to(each, port)])


async def overtaken_in_the_outbox(stage: Stage) -> None:
    """What was written into the outbox first is committed last, when later rows have been sent."""
    (customer,) = stage.customers()
    await stage.sender.deliver(customer.arrive())
    await rest(stage.cluster)  # nothing else about the account is to be absorbed: it would wait for the commit, too
    await stage.cluster.sql(SLOW_COMMIT)
    await stage.cluster.sql("drop trigger if exists slow_commit on health.outbox")
    await stage.cluster.sql(TRIGGER)
    gate = await asyncpg.connect(stage.cluster.postgres.url())
    try:
        await gate.execute(f"select pg_advisory_lock({GATE})")
        await stage.sender.deliver([customer.leave()])
        await stage.blocked("health")
        await _dead_letter(stage, customer.name, 1)
    finally:
        await gate.close()
    await _dead_letter(stage, customer.name, 2)
    await stage.cluster.sql("drop trigger slow_commit on health.outbox")


async def _dead_letter(stage: Stage, account: str, count: int) -> None:
    """Place a record that health refuses beside the account's events; return when the letter about it was sent."""
    producer = AIOKafkaProducer(bootstrap_servers=stage.cluster.plan.bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait("usage.v1", b"not JSON %d" % count, key=account.encode())  # a letter each
    finally:
        await producer.stop()

    async def sent() -> bool:
        written = (await stage.cluster.sql(LETTERS, account.encode()))[0]["n"] == count
        return written and not (await stage.cluster.sql(LETTERS_LEFT))[0]["n"]

    await stage.until(sent)


async def _all_read(cluster: Cluster) -> bool:
    return not await unread(cluster)


def _talks_to(replica: Replica, port: int) -> bool:
    links = psutil.Process(replica.program.pid()).net_connections("tcp")
    return any(each.raddr and each.raddr.port == port for each in links)
