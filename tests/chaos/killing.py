"""Kills services of a stack in the middle of their work, and proves that there was some.

A process is stopped first (SIGSTOP). Stopped, it can neither commit nor answer; so a transaction of its role that has
written and stands idle, or a request that it has not answered, is work in flight. Only then it is killed (SIGKILL).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import httpx

from deploy.local import programs
from deploy.local.plan import CONSUMERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from deploy.local.plan import Plan
    from tests.plugins.e2e import Deployment

LOOK_SECONDS = 0.3
HOUSEKEEPING = re.compile(
    r"\s*(select|begin|with recursive typeinfo|insert into (lease|position)|update position)", re.IGNORECASE
)
"""Last statements that do not prove a batch: a start claims leases, looks types up and notes positions, too."""
OPEN = """select state, query from pg_stat_activity
          where usename = $1 and xact_start is not null and backend_xid is not null"""


class Feeder(threading.Thread):
    """Posts batches, one after the other, each until it is taken. `cut` counts requests that were never answered."""

    def __init__(self, deployment: Deployment, batches: Sequence[Sequence[dict[str, Any]]], pause: float) -> None:
        super().__init__(daemon=True)
        self._deployment = deployment
        self._batches = batches
        self._pause = pause
        self.waiting_for = 0  # the number of the request under way, 0 between requests
        self.asked = 0
        self.cut = 0
        self.hurry = threading.Event()

    def run(self) -> None:
        for batch in self._batches:
            while not self._taken(batch):
                time.sleep(0.1)
            self.hurry.wait(self._pause)

    def _taken(self, batch: Sequence[dict[str, Any]]) -> bool:
        self.asked += 1
        self.waiting_for = self.asked
        try:
            self._deployment.post(batch)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            self.cut += 1
            return False
        except (httpx.TransportError, AssertionError):  # not listening yet, or 503
            return False
        finally:
            self.waiting_for = 0
        return True


@dataclass
class Killer:
    """Strikes services of one stack. `struck` says, by service, what each was doing when it was killed."""

    plan: Plan
    deployment: Deployment
    feeder: Feeder
    struck: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ("ingest", *CONSUMERS)})

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._database = self._runner.run(asyncpg.connect(self.deployment.environment["DATABASE_URL"]))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._runner.run(self._database.close())
        self._runner.close()

    def strike(self, service: str) -> None:
        """Kill a service if it is at work now, and start it again."""
        program = programs.service(self.plan, service)
        at_work = self._request if service == "ingest" else lambda: self._transaction(service)
        pid = program.pid()
        if pid is None or not (self.feeder.waiting_for if service == "ingest" else self._open(service)):
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            work = at_work()
        except BaseException:
            os.kill(pid, signal.SIGCONT)
            raise
        os.kill(pid, signal.SIGKILL if work else signal.SIGCONT)
        if not work:
            return
        if service == "ingest" and not self._was_cut():
            work = ""
        self._gone(program.pid)
        program.start()
        if work:
            self.struck[service].append(work)

    def _open(self, service: str) -> list[tuple[str, str]]:
        rows = self._runner.run(self._database.fetch(OPEN, f"kizuna_{service}"))
        return [(row["state"], row["query"]) for row in rows if not HOUSEKEEPING.match(row["query"])]

    def _transaction(self, service: str) -> str:
        """Return what a stopped service has written without having committed it, once the server has executed it."""
        given_up = time.monotonic() + LOOK_SECONDS
        while found := self._open(service):
            idle = [query for state, query in found if state == "idle in transaction"]
            if idle:
                return " ".join(idle[0].split())[:80]
            if time.monotonic() > given_up:
                break
            time.sleep(0.01)
        return ""

    def _request(self) -> str:
        """Return which request a stopped ingest leaves without answer."""
        number = self.feeder.waiting_for
        self._cut_before = self.feeder.cut
        time.sleep(0.03)  # an answer that was sent before the stop arrives meanwhile
        return f"request {number}" if number and self.feeder.waiting_for == number else ""

    def _was_cut(self) -> bool:
        """Tell whether the request's connection broke, and had not merely been refused."""
        given_up = time.monotonic() + 1
        while self.feeder.cut == self._cut_before and time.monotonic() < given_up:
            time.sleep(0.005)
        return self.feeder.cut > self._cut_before

    @staticmethod
    def _gone(pid: Callable[[], int | None]) -> None:
        while pid() is not None:
            time.sleep(0.005)
