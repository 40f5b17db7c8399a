"""Owns where the parts of one local stack are: its folder, its ports, and which servers it uses instead of its own.

What a running stack was started with is kept beside it, so that a later `down` finds it without the same environment.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from deploy.local.ports import HOST
from deploy.local.processes import Program, StackError
from shared.settings import KAFKA

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES: Final = ("ingest", "health", "revenue", "alerts")
CONSUMERS: Final = ("health", "revenue", "alerts")
PORTS: Final = MappingProxyType(
    {
        "ingest": 8001,
        "health": 8002,
        "revenue": 8003,
        "alerts": 8004,
        "archive": 8005,
        "inbox": 8010,
        "smtp": 8025,
        "postgres": 8432,
        "kafka": 8092,
    }
)
ARCHIVE: Final = "archive"
DRAINED: Final = (*CONSUMERS, ARCHIVE)
"""Those that must have read everything before a broker that forgets may stop."""
MODULES: Final = MappingProxyType(
    {name: f"services.{name}" for name in SERVICES} | {ARCHIVE: "shared.archive", "inbox": "deploy.local.inbox"}
)
EMBEDDED: Final = "embedded"
APACHE: Final = "apache"
RUN_FOLDER: Final = Path(__file__).parents[2] / ".run"


@dataclass(frozen=True, slots=True)
class Plan:
    """One stack. `kafka` and `database` are servers that others run (bootstrap servers, administrator's URL), if any.

    `access` says, as variables, how to get into a broker that others run.

    `broker` is the kind of its own broker; `modules` are the Python modules that are started, by the name of the part.
    """

    folder: Path
    ports: Mapping[str, int]
    kafka: str | None = None
    database: str | None = None
    broker: str = EMBEDDED
    modules: Mapping[str, str] = field(default_factory=lambda: dict(MODULES))
    access: Mapping[str, str] = field(default_factory=dict, repr=False)

    def url(self, part: str) -> str:
        """Return the base URL of a service or of the inbox."""
        return f"http://{HOST}:{self.ports[part]}"

    @property
    def archive(self) -> str:
        """Where the files of the archive lie; it outlives the stack."""
        return (self.folder / "archive").absolute().as_uri()

    @property
    def bootstrap_servers(self) -> str:
        """Broker that the stack uses."""
        return self.kafka or f"{HOST}:{self.ports['kafka']}"

    @property
    def broker_forgets(self) -> bool:
        """Whether the records are gone when the stack is down: an own broker that keeps them in memory."""
        return not self.kafka and self.broker == EMBEDDED

    def partitions(self, environ: Mapping[str, str]) -> int:
        """Return how many partitions every topic has.

        Four on the embedded broker: after a crash it invents topics that somebody asks for, with that many.
        """
        return int(environ.get("KIZUNA_PARTITIONS") or (4 if self.broker_forgets else 12))

    def save(self) -> None:
        """Remember this plan for as long as the stack is up."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = asdict(self) | {"folder": str(self.folder)}
        path = _file(self.folder)
        path.touch(mode=0o600)  # the URL of an external database holds a password, and so may the access to a broker
        path.write_text(json.dumps(known, indent=1))

    def forget(self) -> None:
        """Forget it: the stack is down."""
        _file(self.folder).unlink(missing_ok=True)


def plan_of(environ: Mapping[str, str], folder: Path = RUN_FOLDER) -> Plan:
    """Return the plan of the stack that is up, else the one that the environment describes."""
    try:
        known = Plan(**json.loads(_file(folder).read_text()) | {"folder": folder})
    except (OSError, ValueError):
        return _planned(environ, folder)
    runs = any(Program(part, (), folder).pid() for part in ("postgres", "broker", *known.modules))
    return known if runs else _planned(environ, folder)


def broker_kind(environ: Mapping[str, str]) -> str:
    """Return which broker of its own a stack starts: what KAFKA says, the embedded one unless told otherwise."""
    kind = environ.get("KAFKA") or EMBEDDED
    if kind not in {EMBEDDED, APACHE}:
        raise StackError(f"KAFKA={kind} is no broker that can be started here: {EMBEDDED} or {APACHE}.")
    return kind


def variable(part: str) -> str:
    """Name of the environment variable that moves a part's port."""
    return f"KIZUNA_{part.upper()}_PORT"


def external(environ: Mapping[str, str], name: str, own_port: int) -> str | None:
    """Return the server that KAFKA_BOOTSTRAP_SERVERS or DATABASE_URL names, unless it is the local stack's own.

    It is after `. .run/env`; a shell that did so must still be able to start the stack again.
    """
    value = environ.get(name) or None
    place = urlsplit(value if value and "://" in value else f"//{value}").netloc.rpartition("@")[2]
    return None if place in {f"{HOST}:{own_port}", f"localhost:{own_port}"} else value


def _planned(environ: Mapping[str, str], folder: Path) -> Plan:
    ports = {part: _port(environ, part, default) for part, default in PORTS.items()}
    twice = {part for part, port in ports.items() if list(ports.values()).count(port) > 1}
    if twice:
        raise StackError(f"The same port is given twice: set {' and '.join(sorted(map(variable, twice)))} apart.")
    kafka = external(environ, "KAFKA_BOOTSTRAP_SERVERS", ports["kafka"])
    database = external(environ, "DATABASE_URL", ports["postgres"])
    # The stack's own broker speaks in the clear, whatever the shell says of another one.
    access = {name: value for name, value in environ.items() if name.startswith(KAFKA)} if kafka else {}
    return Plan(folder, ports, kafka, database, broker_kind(environ), access=access)


def _port(environ: Mapping[str, str], part: str, default: int) -> int:
    value = environ.get(variable(part), "") or str(default)
    if not value.isdecimal() or not 0 < int(value) < 2**16:
        raise StackError(f"{variable(part)}={value} is no port: a number from 1 to 65535.")
    return int(value)


def _file(folder: Path) -> Path:
    return folder / "stack.json"
