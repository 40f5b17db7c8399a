"""What goes wrong, one kind a function. Each returns what it hit: proof that work was under way, or "" if none was."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg

from deploy.local.plan import APACHE, CONSUMERS
from deploy.local.ports import answers
from tests.chaos.cluster import SESSION_SECONDS
from tests.chaos.outcome import LONG_RUN
from tests.chaos.patience import until, when
from tests.chaos.watching import BLOCKED, WRITING, how_many, open_work

if TYPE_CHECKING:
    import random

    from tests.chaos.cluster import Cluster, Replica
    from tests.chaos.feeding import Sender

LOOKS: Final = 10.0  # seconds for which a moment is sought at which there is work under way
LOOKS_SHORT: Final = 4.0  # where there are several that may be at work
LAST_ANSWERS: Final = 0.05  # seconds in which what was answered before a stop arrives
ASLEEP: Final = (SESSION_SECONDS + 1, SESSION_SECONDS + 4)
LONG_ASLEEP: Final = (22.0, 30.0)  # beyond the lease of a delivery and what the database allows an open transaction
FROZEN: Final = (0.5, 3.0)
LOCKED: Final = (1.0, 4.0)
ROLL_SECONDS: Final = 60.0  # for one replica; on a busy machine the next one may have to go before it is ready
TABLES: Final = {
    "health": ("usage_day", "fact", "account_health", "outbox"),
    "revenue": ("snapshot", "movement", "outbox"),
    "alerts": ("signal_fact", "alert", "delivery", "outbox"),
}


class Fault:
    """Strikes one cluster at moments and places that `rng` chooses."""

    def __init__(self, cluster: Cluster, sender: Sender, rng: random.Random) -> None:
        self._cluster = cluster
        self._sender = sender
        self.rng = rng

    def fallen(self) -> list[str]:
        """Start those again that have ended by themselves, as what supervises them would; return their names."""
        gone = [each for each in self._cluster.replicas if each.program.pid() is None]
        for each in gone:
            each.program.start()
        return [each.name for each in gone]

    async def flowing(self) -> None:
        """Wait until events are acknowledged again after the last fault: a blow at rest proves little."""
        before = len(self._sender.acknowledged)
        await when(lambda: len(self._sender.acknowledged) > before, ROLL_SECONDS)

    async def kill(self) -> str:
        """SIGKILL for one replica in the middle of a transaction."""
        victim, pid, work = await self._stopped(self._consumers())
        os.kill(pid, signal.SIGKILL)
        self._start_again(victim)
        return work and f"{victim.name}: {work}"

    async def kill_ingest(self) -> str:
        """SIGKILL for ingest while requests are under way."""
        ingest, pid, waiting = await self._stopped_ingest()
        cut = self._sender.cut
        os.kill(pid, signal.SIGKILL)
        self._start_again(ingest)
        await when(lambda: self._sender.cut > cut, LOOKS)
        return f"{self._sender.cut - cut} of {waiting} requests were cut" if self._sender.cut > cut else ""

    async def zombie(self) -> str:
        """SIGSTOP for longer than the session time-out: others take over, then it wakes and goes on."""
        return await self._asleep(self.rng.uniform(*ASLEEP))

    async def long_zombie(self) -> str:
        """SIGSTOP for longer than every fence: what it was sending, and the transaction that it had open, are over."""
        return await self._asleep(self.rng.uniform(*LONG_ASLEEP))

    async def terminate(self) -> str:
        """SIGTERM for one process in the middle of its work, and a new start."""
        if self.rng.randrange(len(self._consumers()) + 1) == 0:
            victim, pid, waiting = await self._stopped_ingest()
            work = f"{waiting} requests under way" if waiting else ""
        else:
            victim, pid, work = await self._stopped(self._consumers())
        took = await self._terminated(victim, pid)
        return work and f"{victim.name} took {took:.1f} s: {work}"

    async def cut(self) -> str:
        """Reset every connection to the broker while it has events to store."""
        count, producing = await asyncio.to_thread(self._cluster.proxy.cut_producing, LOOKS)
        return f"{count} connections, {producing} Produce requests unanswered" if producing else ""

    async def freeze(self) -> str:
        """Stop the broker for a while."""
        pid = self._cluster.broker.program.pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.rng.uniform(*FROZEN))
            producing = self._cluster.proxy.producing
        finally:
            os.kill(pid, signal.SIGCONT)
        return f"{producing} Produce requests waited for it" if producing else ""

    async def kill_broker(self) -> str:
        """SIGKILL for a broker that keeps on disk what it has acknowledged, and a new start."""
        proxy, program = self._cluster.proxy, self._cluster.broker.program
        pid = program.pid()
        assert pid is not None
        await when(lambda: proxy.producing > 0, LOOKS)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(LAST_ANSWERS)
        producing = proxy.producing
        os.kill(pid, signal.SIGKILL)
        await when(lambda: program.pid() is None, ROLL_SECONDS)
        program.start()
        await when(lambda: answers(self._cluster.broker.port), ROLL_SECONDS)
        return f"{producing} Produce requests were unanswered" if producing else ""

    async def postgres(self) -> str:
        """Stop PostgreSQL without letting it finish anything (`pg_ctl stop -m immediate`), and start it again."""
        server = self._cluster.postgres
        await until(lambda: how_many(self._cluster, WRITING), LOOKS)
        open_ = await how_many(self._cluster, WRITING)
        pid = server.program.pid()
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        await when(lambda: server.program.pid() is None, ROLL_SECONDS)
        server.start()
        return f"{open_} transactions had written" if open_ else ""

    async def slow_database(self) -> str:
        """Lock one table of one service for a while: whoever writes to it waits."""
        service = self.rng.choice(CONSUMERS)
        table = f"{service}.{self.rng.choice(TABLES[service])}"
        connection = await asyncpg.connect(self._cluster.postgres.url())
        try:
            async with connection.transaction():
                await connection.execute(f"lock table {table} in exclusive mode")
                await asyncio.sleep(self.rng.uniform(*LOCKED))
                waiting = await how_many(self._cluster, BLOCKED, connection.get_server_pid())
        finally:
            await connection.close()
        return f"{table}: {waiting} sessions waited" if waiting else ""

    async def rolling(self) -> str:
        """Restart every replica of one service, one after the other, as a deployment does, in the midst of its work."""
        service = self.rng.choice(CONSUMERS)
        found = []
        for replica in self._cluster.of(service):
            _, pid, work = await self._stopped([replica], LOOKS_SHORT)
            await self._terminated(replica, pid)
            await until(partial(replica.ready, self._cluster.http), ROLL_SECONDS)
            found += [work] if work else []
        return f"{service}: {len(found)} were at work: {found[0]}" if found else ""

    def _consumers(self) -> list[Replica]:
        return [each for each in self._cluster.replicas if each.service in CONSUMERS]

    async def _stopped(self, possible: list[Replica], seconds: float = LOOKS) -> tuple[Replica, int, str]:
        """Stop a replica, if possible at a moment at which it has written what it has not committed."""
        ends = time.monotonic() + seconds
        while True:
            victim = self.rng.choice(possible)
            pid = self._pid(victim)
            os.kill(pid, signal.SIGSTOP)
            work = await open_work(self._cluster, victim, pid)
            if work or time.monotonic() > ends:
                return victim, pid, work
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(self.rng.uniform(0.01, 0.05))

    async def _stopped_ingest(self) -> tuple[Replica, int, int]:
        """Stop ingest, if possible while it has requests to answer; return how many those are."""
        (ingest,) = self._cluster.of("ingest")
        pid = self._pid(ingest)
        await when(lambda: self._sender.waiting > 0, LOOKS)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(LAST_ANSWERS)
        return ingest, pid, self._sender.waiting

    async def _asleep(self, seconds: float) -> str:
        victim, pid, work = await self._stopped(self._consumers())
        before = len(self._sender.acknowledged)
        await asyncio.sleep(seconds if work else 0)
        os.kill(pid, signal.SIGCONT)
        passed = len(self._sender.acknowledged) - before
        return work and f"{victim.name} for {seconds:.0f} s: {work} {passed} events meanwhile"

    async def _terminated(self, victim: Replica, pid: int) -> float:
        """Ask one that stands still to end as soon as it goes on, and start it again; return how long it took."""
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        await asyncio.to_thread(victim.program.stop)  # how long it may take is judged elsewhere, on a quiet machine
        took = time.monotonic() - began
        victim.program.start()
        return took

    @staticmethod
    def _pid(victim: Replica) -> int:
        """Return its process, a new one if it has ended by itself (what supervises it would start it again)."""
        return victim.program.pid() or victim.program.start()

    def _start_again(self, victim: Replica) -> None:
        while victim.program.pid() is not None:
            time.sleep(0.005)
        victim.program.start()


Kinds = dict[str, Callable[[Fault], Awaitable[str]]]
KINDS: Final[Kinds] = {
    "kill": Fault.kill,
    "kill ingest": Fault.kill_ingest,
    "zombie": Fault.zombie,
    "terminate": Fault.terminate,
    "cut broker": Fault.cut,
    "freeze broker": Fault.freeze,
    "postgres immediate": Fault.postgres,
    "slow database": Fault.slow_database,
    "rolling restart": Fault.rolling,
}
DURABLE: Final[Kinds] = {"kill broker": Fault.kill_broker}
"""What only a broker survives that has its records on disk; the embedded one would lose them by its nature."""
LONG: Final[Kinds] = {"long zombie": Fault.long_zombie}
"""What a short run has no time for."""


def kinds(kafka: str, seconds: float) -> Kinds:
    """Return the kinds of fault that a kind of broker must live through in so long a run, by name."""
    return KINDS | (DURABLE if kafka == APACHE else {}) | (LONG if seconds >= LONG_RUN else {})
