"""What goes wrong, one kind a function. Each returns what it hit: proof that work was under way, or "" if none was."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg

from deploy.local.plan import APACHE, CONSUMERS
from deploy.local.ports import answers
from tests.chaos.cluster import SESSION_SECONDS
from tests.chaos.patience import until, when
from tests.chaos.watching import WAITING, WRITING, how_many, open_work

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping

    from tests.chaos.cluster import Cluster, Replica
    from tests.chaos.feeding import Sender

LOOKS: Final = 10.0  # seconds for which a moment is sought at which there is work under way
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
        victim, pid, work = await self._stopped()
        os.kill(pid, signal.SIGKILL)
        self._start_again(victim)
        return work and f"{victim.name}: {work}"

    async def kill_ingest(self) -> str:
        """SIGKILL for ingest while requests are under way."""
        (ingest,) = self._cluster.of("ingest")
        pid = self._pid(ingest)
        await when(lambda: self._sender.waiting > 0, LOOKS)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(0.05)  # answers that were sent before arrive meanwhile
        waiting, cut = self._sender.waiting, self._sender.cut
        os.kill(pid, signal.SIGKILL)
        self._start_again(ingest)
        await when(lambda: self._sender.cut > cut, LOOKS)
        return f"{self._sender.cut - cut} of {waiting} requests were cut" if self._sender.cut > cut else ""

    async def zombie(self) -> str:
        """SIGSTOP for longer than the session time-out: others take over, then it wakes and goes on."""
        victim, pid, work = await self._stopped()
        before = len(self._sender.acknowledged)
        await asyncio.sleep(SESSION_SECONDS + self.rng.uniform(1, 4))
        os.kill(pid, signal.SIGCONT)
        missed = len(self._sender.acknowledged) - before
        return f"{victim.name}: {work or 'idle'}, {missed} events meanwhile" if work or missed else ""

    async def terminate(self) -> str:
        """SIGTERM for one process, and a new start."""
        victim = self.rng.choice([*self._cluster.of("ingest"), *self._consumers()])
        before = len(self._sender.acknowledged)
        waiting = self._sender.waiting
        took = await self._restarted(victim)
        passed = len(self._sender.acknowledged) - before
        return f"{victim.name} took {took:.1f} s, {passed} events meanwhile" if passed or waiting else ""

    async def cut(self) -> str:
        """Reset every connection to the broker."""
        await when(lambda: self._sender.waiting > 0, LOOKS)
        waiting = self._sender.waiting
        count = self._cluster.proxy.cut()
        return f"{count} connections, {waiting} requests under way" if count else ""

    async def freeze(self) -> str:
        """Stop the broker for a while."""
        pid = self._cluster.broker.program.pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.rng.uniform(*FROZEN))
            waiting = self._sender.waiting
        finally:
            os.kill(pid, signal.SIGCONT)
        return f"{waiting} requests waited for it" if waiting else ""

    async def kill_broker(self) -> str:
        """SIGKILL for a broker that keeps on disk what it has acknowledged, and a new start."""
        program = self._cluster.broker.program
        pid = program.pid()
        assert pid is not None
        await when(lambda: self._sender.waiting > 0, LOOKS)
        waiting = self._sender.waiting
        os.kill(pid, signal.SIGKILL)
        await when(lambda: program.pid() is None, ROLL_SECONDS)
        program.start()
        await when(lambda: answers(self._cluster.broker.port), ROLL_SECONDS)
        return f"{waiting} requests were under way" if waiting else ""

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
                waiting = await how_many(self._cluster, WAITING)
        finally:
            await connection.close()
        return f"{table}: {waiting} sessions waited" if waiting else ""

    async def rolling(self) -> str:
        """Restart every replica of one service, one after the other, as a deployment does."""
        service = self.rng.choice(CONSUMERS)
        before = len(self._sender.acknowledged)
        for replica in self._cluster.of(service):
            await self._restarted(replica)
            await until(partial(replica.ready, self._cluster.http), ROLL_SECONDS)
        passed = len(self._sender.acknowledged) - before
        return f"{service}: {passed} events meanwhile" if passed else ""

    def _consumers(self) -> list[Replica]:
        return [each for each in self._cluster.replicas if each.service in CONSUMERS]

    async def _stopped(self) -> tuple[Replica, int, str]:
        """Stop a replica, if possible at a moment at which it has written what it has not committed."""
        ends = time.monotonic() + LOOKS
        while True:
            victim = self.rng.choice(self._consumers())
            pid = self._pid(victim)
            os.kill(pid, signal.SIGSTOP)
            work = await open_work(self._cluster, victim, pid)
            if work or time.monotonic() > ends:
                return victim, pid, work
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(self.rng.uniform(0.01, 0.05))

    async def _restarted(self, victim: Replica) -> float:
        began = time.monotonic()
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


KINDS: Final[Mapping[str, Callable[[Fault], Awaitable[str]]]] = {
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
DURABLE: Final[Mapping[str, Callable[[Fault], Awaitable[str]]]] = {"kill broker": Fault.kill_broker}
"""What only a broker survives that has its records on disk; the embedded one would lose them by its nature."""


def kinds(kafka: str) -> Mapping[str, Callable[[Fault], Awaitable[str]]]:
    """Return the kinds of fault that a kind of broker must live through, by name."""
    return {**KINDS, **DURABLE} if kafka == APACHE else KINDS
