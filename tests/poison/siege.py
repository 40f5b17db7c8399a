"""A real stack under the corpus: placed once among good events, placed again, placed while everything is killed -9."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from deploy.local import programs
from deploy.local.plan import APACHE, CONSUMERS
from tests.chaos.killing import Feeder, Killer
from tests.poison.corpus import corpus
from tests.poison.judging import Findings, ask, complaints, look, strays
from tests.poison.placing import Placed, place
from tests.poison.records import COUNTED, KINDS, Case, good, raw, readers, users

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deploy.local.plan import Plan
    from tests.plugins.e2e import Deployment

NEIGHBOURS: Final = 100
APPLIED_SECONDS: Final = 10.0
PATIENCE: Final = 120.0
ACCOUNTS: Final = 40
AIM_SECONDS: Final = 2.0
NEIGHBOUR: Final = "a neighbour"
STANDING: Final = """select (select count(*) from dead_letter) as letters,
                            (select count(*) from outbox where topic like '%.dlq') as copies"""


@dataclass
class Act:
    """One placing: how long the good events took, what was found, what was wrong, who was hit at which point."""

    name: str
    placed: list[Placed]
    seconds: float
    found: Findings
    wrong: list[str]
    struck: tuple[str, ...] = ()


class Siege:
    """One stack, attacked several times."""

    def __init__(self, plan: Plan, deployment: Deployment) -> None:
        self._plan = plan
        self._deployment = deployment
        self._bootstrap = plan.bootstrap_servers
        self._before: list[Placed] = []

    def among_neighbours(self, edition: str) -> Act:
        """Place an edition, a hundred good events of the topic before each record; all must be applied in time."""
        cases = [each for case in self._corpus(edition) for each in (*neighbours(case, NEIGHBOURS), case)]
        placed = asyncio.run(place(self._bootstrap, cases))
        began = time.monotonic()
        self._wait(placed)
        seconds = time.monotonic() - began
        self._before += placed
        return self._judge(f"{len(cases)} records, 1 in {NEIGHBOURS + 1} hostile", placed, seconds)

    def again(self) -> Act:
        """Place every hostile record once more: no letter is doubled."""
        began = time.monotonic()
        placed = asyncio.run(place(self._bootstrap, [each.case for each in self._before if is_hostile(each)]))
        self._wait(placed)
        return self._judge("the same hostile records again", self._before, time.monotonic() - began)

    def under_fire(self, edition: str) -> Act:
        """Place another edition in four parts, and kill every consumer in the middle of each, if it can be hit."""
        known = {(each.case.topic, each.case.key, each.case.value) for each in self._before}
        bad = [case for case in self._corpus(edition) if (case.topic, case.key, case.value) not in known]
        cases = [each for case in bad for each in (*neighbours(case, 20), case)]
        began, placed = time.monotonic(), list[Placed]()
        with Killer(self._plan, self._deployment, Feeder(self._deployment, [], 0)) as killer:
            for quarter in range(4):
                self._signal(signal.SIGSTOP)
                placed += asyncio.run(place(self._bootstrap, cases[quarter::4]))
                self._signal(signal.SIGCONT)
                for service in CONSUMERS:
                    strike(killer, service, quarter + 1)
        self._wait(placed)
        struck = {service: killer.struck[service] for service in CONSUMERS}
        self._before += placed
        act = self._judge("others, while all consumers are killed -9", placed, time.monotonic() - began, killed=True)
        act.struck = tuple(
            f"{service} hit in the middle of a batch {len(hits)} times of 4, as in: {hits[:1]}"
            for service, hits in struck.items()
        )
        return act

    def _corpus(self, edition: str) -> list[Case]:
        """Return what this broker takes: Apache Kafka refuses records that are dated ahead."""
        ahead = time.time() * 1000
        apache = self._plan.broker == APACHE
        return [case for case in corpus(edition) if not apache or (case.timestamp_ms or 0) < ahead]

    def _signal(self, number: signal.Signals) -> None:
        for service in CONSUMERS:
            if pid := programs.service(self._plan, service).pid():
                os.kill(pid, number)

    def _judge(self, name: str, placed: list[Placed], seconds: float, *, killed: bool = False) -> Act:
        found = asyncio.run(look(self._deployment, self._bootstrap))
        wrong = [*complaints(placed, found, killed=killed), *strays(self._before, found)]
        return Act(name, placed, seconds, found, wrong)

    def _wait(self, placed: Sequence[Placed]) -> None:
        """Wait until all was read and every copy sent; what a service still owes then is complained about."""
        given_up = time.monotonic() + PATIENCE
        while not asyncio.run(self._done(placed)) and time.monotonic() < given_up:
            time.sleep(0.1)

    async def _done(self, placed: Sequence[Placed]) -> bool:
        return all([await self._has_read(service, placed) for service in CONSUMERS])

    async def _has_read(self, service: str, placed: Sequence[Placed]) -> bool:
        ends: dict[tuple[str, int], int] = {}
        for each in placed:
            if service in readers(each.case.topic):
                lane = each.case.topic, each.partition
                ends[lane] = max(ends.get(lane, 0), each.offset + 1)
        rows = await ask(self._deployment, service, "select topic, partition, next_offset from position")
        read = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        [row] = await ask(self._deployment, service, STANDING)
        return not row["copies"] and all(read.get(lane, 0) >= end for lane, end in ends.items())


def strike(killer: Killer, service: str, times: int) -> None:
    """Kill a service in the middle of a transaction, trying for a while; it is started again at once."""
    given_up = time.monotonic() + AIM_SECONDS
    while len(killer.struck[service]) < times and time.monotonic() < given_up:
        killer.strike(service)


def is_hostile(placed: Placed) -> bool:
    return placed.case.name != NEIGHBOUR


def neighbours(case: Case, count: int) -> Iterator[Case]:
    """Yield good events for the same topic, about other accounts, each counted by all who use its type."""
    kind = KINDS[case.topic]
    used = users(kind, case.topic)
    verdicts = {name: COUNTED if name in used else "skipped" for name in readers(case.topic)}
    for number in range(count):
        account = f"neighbour/{number % ACCOUNTS}"
        event_id = f"{case.event_id}/{number}/{case.name}"[:255]
        event = good(case.topic, account, event_id)
        yield Case(NEIGHBOUR, case.topic, raw(event), account.encode(), verdicts, event_id)
