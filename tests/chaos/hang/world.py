"""A stack whose ways to PostgreSQL and to the broker lead through proxies, and the faults that its world can have."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import psutil

from cli.environment import parse
from deploy.local import programs, report, stack
from deploy.local.plan import PORTS, SERVICES, Plan, broker_kind
from deploy.local.ports import HOST, free_ports
from deploy.local.postgres import Postgres
from deploy.local.processes import StackError
from tests.chaos.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from deploy.local.apache import ApacheBroker
    from deploy.local.broker import Broker
    from deploy.local.processes import Program

PARTITIONS: Final = "4"
STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs: servers, the proxies before them, the services behind those."""

    plan: Plan
    postgres: Postgres
    broker: Broker | ApacheBroker
    to_postgres: Proxy
    to_broker: Proxy
    environment: Mapping[str, str]

    def url(self, part: str) -> str:
        return self.plan.url(part)

    @property
    def headers(self) -> dict[str, str]:
        """What an administrator sends along."""
        return {"authorization": f"Bearer {self.environment['KIZUNA_TOKEN']}"}

    def memory(self) -> dict[str, float]:
        """Return how many MB each service keeps in memory."""
        pids = {name: programs.service(self.plan, name).pid() for name in SERVICES}
        return {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in pids.items() if pid}

    async def terminate(self) -> dict[str, tuple[float, int | None]]:
        """Tell every service to end; return how many seconds each needed, and its exit code (None: it did not end)."""
        running = [programs.service(self.plan, name) for name in SERVICES]
        ended = await asyncio.gather(*(asyncio.to_thread(_end, program) for program in running))
        return dict(zip(SERVICES, ended, strict=True))

    async def start_again(self) -> None:
        """Start what does not run, and wait until it is ready."""
        await asyncio.to_thread(_up, self.plan)


def _up(plan: Plan) -> None:
    """Bring the stack up; a busy machine may need a second try for that."""
    try:
        stack.up(plan)
    except StackError:
        stack.up(plan)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Run a world of one's own in `folder`, on the broker that KAFKA names; to be entered outside of a running loop."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    postgres = Postgres(folder, ports["postgres"], tied=True)
    with Proxy(ports["postgres"]) as to_postgres, Proxy(ports["kafka"]) as to_broker:
        kind = programs.BROKERS[broker_kind(os.environ)]
        broker = kind(folder, ports["kafka"], tied=True, advertised_port=to_broker.port)
        try:
            postgres.start()
            broker.start()
            place = urlsplit(postgres.url())
            database = place._replace(netloc=f"{place.netloc.rpartition(':')[0]}:{to_postgres.port}").geturl()
            plan = Plan(folder, ports, kafka=f"{HOST}:{to_broker.port}", database=database)
            before = dict(os.environ)
            os.environ["KIZUNA_PARTITIONS"] = PARTITIONS
            try:
                _up(plan)
                environment = parse(report.env_file(plan).read_text())
                yield World(plan, postgres, broker, to_postgres, to_broker, environment)
            finally:
                stack._stop_in_order(stack.running_parts(plan))
                os.environ.clear()
                os.environ.update(before)
        finally:
            broker.stop()
            postgres.stop()


@contextmanager
def _frozen(program: Program) -> Iterator[None]:
    """Stop a process and all that it has started, until the block ends."""
    root = psutil.Process(program.pid())
    root.suspend()
    family = [root, *root.children(recursive=True)]
    for each in family[1:]:
        each.suspend()
    try:
        yield
    finally:
        for each in family:
            if each.is_running():
                each.resume()


@contextmanager
def _swallowed(proxy: Proxy) -> Iterator[None]:
    proxy.swallow()
    try:
        yield
    finally:
        proxy.heal()


@contextmanager
def _slack_hangs(url: str) -> Iterator[None]:
    httpx.put(f"{url}/faults", json={"slack": ["hang"] * 1000}).raise_for_status()
    try:
        yield
    finally:
        httpx.put(f"{url}/faults", json={"slack": []}).raise_for_status()


FAULTS: Final[Mapping[str, Callable[[World], AbstractContextManager[None]]]] = {
    "broker frozen": lambda world: _frozen(world.broker.program),
    "broker swallowed": lambda world: _swallowed(world.to_broker),
    "postgres frozen": lambda world: _frozen(world.postgres.program),
    "postgres swallowed": lambda world: _swallowed(world.to_postgres),
    "slack hangs": lambda world: _slack_hangs(world.url("inbox")),
}


def _end(program: Program) -> tuple[float, int | None]:
    pid = program.pid()
    if pid is None:
        return 0.0, None
    os.kill(pid, signal.SIGTERM)
    began = time.monotonic()
    while time.monotonic() - began < STOP_SECONDS:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return time.monotonic() - began, os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    return time.monotonic() - began, None
