"""Owns a local Apache Kafka: one process in KRaft's combined mode on loopback that keeps its records in a folder.

It is formatted once, so that it is the same cluster after every restart, with every record it acknowledged.
"""

from __future__ import annotations

import base64
import subprocess
import uuid
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from deploy.local.jars import jars, java, provide
from deploy.local.ports import HOST, answers, free_port
from deploy.local.processes import Program, StackError

if TYPE_CHECKING:
    from pathlib import Path

_START_SECONDS: Final = 40.0  # two seconds on an idle machine
_STOP_SECONDS: Final = 20.0
_FLAGS: Final = (
    *("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-XX:-UsePerfData",  # it would write to /tmp
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)
_SETTINGS: Final = MappingProxyType(
    {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(4 * 1024 * 1024),
        # after kill -9 the broker's old self counts as alive for so long, and the new one waits
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "400",
        # one broker: nothing to replicate to, nobody to wait for
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # a small machine: the defaults reserve for hundreds of partitions and many disks
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
        "log.index.size.max.bytes": str(1024 * 1024),
    }
)


@dataclass(frozen=True, slots=True)
class ApacheBroker:
    """Apache Kafka on `port`, everything it keeps in `folder`; `tied` ends it with the process that started it.

    Clients that find it through a proxy are told `advertised_port` instead of `port`.
    """

    folder: Path
    port: int
    tied: bool = False
    advertised_port: int | None = None

    @property
    def bootstrap_servers(self) -> str:
        """What clients call KAFKA_BOOTSTRAP_SERVERS."""
        return f"{HOST}:{self.advertised_port or self.port}"

    @property
    def program(self) -> Program:
        """The broker as a process."""
        command = self._java("kafka.Kafka", str(self._settings))
        return Program("broker", command, self.folder, patience=_STOP_SECONDS, tied=self.tied)

    def start(self) -> None:
        """Start it, formatting its folder the first time, and wait until it serves."""
        if not self.program.pid():
            provide()
            self._write_settings()
            if not (self._data / "meta.properties").exists():
                self._format()
        self.program.start()
        self.program.await_ready(lambda: answers(self.port), _START_SECONDS)

    def stop(self) -> bool:
        """Stop it; False when it had to be killed (its records stay all the same)."""
        return self.program.stop()

    @property
    def _data(self) -> Path:
        return self.folder / "kafka"

    @property
    def _settings(self) -> Path:
        return self.folder / "kafka.properties"

    def _java(self, *arguments: str) -> tuple[str, ...]:
        return (java(), *_FLAGS, f"-Djava.io.tmpdir={self._temporary}", "-cp", f"{jars()}/*", *arguments)

    @property
    def _temporary(self) -> Path:
        return self.folder / "kafka.tmp"  # zstd and snappy unpack their libraries there

    def _write_settings(self) -> None:
        self._temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
        controller = f"{HOST}:{free_port()}"  # nobody but itself asks for it
        places = {
            "log.dirs": str(self._data),
            "listeners": f"CLIENTS://{HOST}:{self.port},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENTS://{self.bootstrap_servers}",
            "controller.quorum.voters": f"1@{controller}",
        }
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in (_SETTINGS | places).items()))

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        named = f"--cluster-id={cluster}"  # in one word: it may begin with a hyphen
        command = self._java("kafka.tools.StorageTool", "format", named, "--config", str(self._settings))
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if made.returncode:
            raise StackError(f"Apache Kafka could not format {self._data}:\n{(made.stdout + made.stderr).strip()}")
