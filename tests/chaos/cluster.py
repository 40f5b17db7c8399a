"""A cluster that may be mistreated: PostgreSQL, a broker behind a proxy, inbox, ingest, replicas of what consumes.

Real processes in a folder of their own and on ports of their own. Each ends with the process that started it, so that
nothing survives a run, however it ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

import asyncpg
import httpx

from deploy.local import credentials, programs
from deploy.local.plan import CONSUMERS, MODULES, PORTS, Plan
from deploy.local.ports import HOST, free_port, free_ports
from deploy.local.postgres import Postgres
from deploy.local.topics import make_topics
from shared import cluster
from tests.chaos.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.local.processes import Program

PARTITIONS: Final = "6"
SESSION_SECONDS: Final = 3.0
READY_SECONDS: Final = 180.0  # a busy machine takes long to start a dozen processes
SETTINGS: Final = {
    "KIZUNA_PARTITIONS": PARTITIONS,
    "KIZUNA_SESSION_SECONDS": str(SESSION_SECONDS),
    "KIZUNA_HEALTH_USAGE_PAUSE": "1",
    "KIZUNA_TOPIC_PREFIX": "",
}
STANDING: Final = ("partitions", "lag_by_topic", "trouble", "halted", "due", "outbox")


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a service: `name` is that of its log, `url` where it answers."""

    name: str
    service: str
    url: str
    program: Program

    async def ready(self, http: httpx.AsyncClient) -> bool:
        """Whether it says that it is ready."""
        with suppress(httpx.HTTPError):
            return (await http.get(f"{self.url}/readyz")).is_success
        return False


@dataclass
class Cluster:
    """Everything that runs. `modules` replaces what is started of a service; `count` is how many replicas it has."""

    folder: Path
    kafka: str = "embedded"
    count: int = 3
    replicas: list[Replica] = field(default_factory=list)
    token: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.proxy = Proxy(ports["kafka"])
        bootstrap = f"{HOST}:{self.proxy.port}"
        self.plan = Plan(self.folder, ports, kafka=bootstrap)
        self.broker = programs.BROKERS[self.kafka](
            self.folder, ports["kafka"], tied=True, advertised_port=self.proxy.port
        )
        self.postgres = Postgres(self.folder, ports["postgres"], tied=True)
        self.http = httpx.AsyncClient(timeout=5)
        self._asking = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        if self._connection is not None:
            self._connection.terminate()
        self.stop_all(self.replicas)
        self.broker.program.stop()
        self.postgres.stop()
        self.proxy.__exit__(None, None, None)

    async def _start(self) -> None:
        self.proxy.__enter__()
        self.postgres.start()
        self.broker.start()
        await make_topics(cluster.Cluster(self.plan.bootstrap_servers), SETTINGS)
        command, environment = programs.migration(self.plan)
        subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: ASYNC221 - nothing else runs yet
        self.add("inbox", 1)
        self.add("ingest", 1)
        for service in CONSUMERS:
            self.add(service, self.count)
        await self.all_ready()
        self.token = credentials.admin_token(self.folder)
        self.key = credentials.write_key(self._placed("ingest"), self.token)

    def add(self, service: str, count: int, module: str | None = None) -> list[Replica]:
        """Start `count` more processes of a service, from another module where one is named."""
        added = [self._replica(service, number, module) for number in range(1, count + 1)]
        for each in added:
            each.program.start()
        self.replicas += added
        return added

    def swap(self, service: str, count: int, module: str | None = None) -> list[Replica]:
        """Stop all processes of a service, one after the other, and start others in their place.

        From members that all leave at once the embedded broker may keep one that is gone as the group's leader, and
        whoever joins then waits for it for ever. Apache Kafka does not.
        """
        gone = self.of(service)
        for each in gone:
            self.stop_all([each])
        self.replicas = [each for each in self.replicas if each not in gone]
        return self.add(service, count, module)

    def of(self, service: str) -> list[Replica]:
        """Return the processes of a service."""
        return [each for each in self.replicas if each.service == service]

    def url(self, service: str) -> str:
        """Return where the first process of a service answers."""
        return self.of(service)[0].url

    async def all_ready(self, seconds: float = READY_SECONDS) -> None:
        """Start whoever has ended, and wait until everybody is ready."""
        async with asyncio.timeout(seconds):
            for each in self.replicas:
                while not await each.ready(self.http):
                    each.program.start()
                    await asyncio.sleep(0.1)

    async def find(self, service: str, path: str, **params: Any) -> dict[str, Any]:
        """Ask a service as an administrator; what it does not know is empty."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = await self.http.get(self.url(service) + path, params=params, headers=headers)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return {}
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def stand(self) -> list[str]:
        """Return what every consuming process says about itself, for whoever looks for a reason."""
        said = []
        for each in self.replicas:
            if each.service in CONSUMERS:
                headers = {"authorization": f"Bearer {self.token}"}
                with suppress(httpx.HTTPError):
                    status = (await self.http.get(f"{each.url}/v1/status", headers=headers)).json()
                    said.append(f"{each.name}: { ({k: status.get(k) for k in STANDING}) }")
        return said

    async def sql(self, query: str, *values: Any) -> list[Any]:
        """Ask the database as its administrator; a connection that broke is replaced."""
        async with self._asking:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self.postgres.url(), timeout=10)
            return list(await self._connection.fetch(query, *values))

    @staticmethod
    def stop_all(replicas: list[Replica]) -> None:
        """Ask processes to stop, all at once, also those that stand still; kill who does not."""
        for each in replicas:
            if pid := each.program.pid():
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGTERM)
        for each in replicas:
            each.program.stop()

    def _placed(self, service: str) -> Plan:
        """Return the plan with the ports that the first process of a service has."""
        port = int(self.url(service).rpartition(":")[2])
        return replace(self.plan, ports={**self.plan.ports, service: port})

    def _replica(self, service: str, number: int, module: str | None) -> Replica:
        own = self.plan.ports[service] if service in {"inbox", "ingest"} else free_port()
        modules = {**MODULES, service: module or MODULES[service]}
        plan = replace(self.plan, modules=modules, ports={**self.plan.ports, service: own})
        program = programs.service(plan, service)
        name = f"{service}-{number}" + (f"-{module.rpartition('.')[2]}" if module else "")
        environment = {**program.environment, **SETTINGS}
        return Replica(
            name, service, plan.url(service), replace(program, name=name, environment=environment, tied=True)
        )
