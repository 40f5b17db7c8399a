"""Owns the processes of the local stack: how one is started, recognised again by a later command, and stopped.

A process is remembered as its id *and* the moment the kernel started it, so that an id which the system has given to a
stranger meanwhile is never signalled.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class StackError(Exception):
    """The local stack cannot do what it was asked; the message says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the stack: `name` is that of its log and its note, `folder` the run folder they lie in.

    `patience` is how many seconds it has to stop when asked to. `tied` ends it with the process that started it (for
    tests); otherwise it goes on when the terminal closes.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 10.0
    tied: bool = False

    @property
    def log(self) -> Path:
        """File that takes its standard output and error, appended to at every start."""
        return self.folder / "log" / f"{self.name}.log"

    @property
    def _note(self) -> Path:
        return self.folder / "pid" / f"{self.name}.json"

    def start(self) -> int:
        """Start it unless it runs; returns its process id."""
        running = self.pid()
        if running:
            return running
        for folder in (self.log.parent, self._note.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pid = self._spawn()
        self._note.write_text(json.dumps({"pid": pid, "started": started(pid)}))
        return pid

    def pid(self) -> int | None:
        """Process id if the very process that was started still runs, else None."""
        try:
            note = json.loads(self._note.read_text())
            pid, moment = int(note["pid"]), str(note["started"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # an own child that has ended stays visible until somebody asks
        return pid if started(pid) == moment else None

    def stop(self) -> bool:
        """End it if it runs; False when it had to be killed, its patience being over."""
        willing = True
        pid = self.pid()
        if pid:
            os.kill(pid, self.stop_signal)
            willing = wait_for(lambda: self.pid() is None, self.patience)
            if not willing:
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: self.pid() is None, self.patience)
        self._note.unlink(missing_ok=True)
        return willing

    def await_ready(self, ready: Callable[[], bool], patience: float) -> None:
        """Wait until `ready()`; StackError with the end of the log when it ends before, or `patience` seconds pass."""
        if not wait_for(lambda: self.pid() is None or ready(), patience):
            raise StackError(f"{self.name} did not become ready within {patience:.0f} s.\n{self.last_words()}")
        if self.pid() is None:
            raise StackError(f"{self.name} ended while starting.\n{self.last_words()}")

    def last_words(self, lines: int = 15) -> str:
        """End of its log, under the name of the file."""
        try:
            tail = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            tail = []
        return "\n".join([f"{self.log}:", *(f"  {line}" for line in tail or ["(empty)"])])

    def _spawn(self) -> int:
        # A shell starts its background jobs deaf to SIGINT, and children inherit that.
        tie = ("env", "--default-signal=INT", "setpriv", "--pdeathsig", "INT")
        command = (*tie, *self.command) if self.tied else self.command
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        try:
            return os.posix_spawnp(
                command[0], command, self.environment, file_actions=files, setsid=True, setsigdef=[signal.SIGPIPE]
            )
        except OSError as error:
            raise StackError(f"{self.name} cannot be started: {command[0]}: {error.strerror}") from error


def started(pid: int) -> str | None:
    """When the kernel started process `pid`, as a text that no other process shares; None if it does not run.

    Of a process that is killed the first thread ends first: it runs, and holds its ports, until the last one has ended.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state, threads, ticks = fields[0], int(fields[17]), fields[19]  # proc_pid_stat(5), fields 3, 20 and 22
    return None if state in "ZX" and threads <= 1 else f"{boot}:{ticks}"


def wait_for(condition: Callable[[], bool], patience: float, *, every: float = 0.02) -> bool:
    """Whether `condition` came true within `patience` seconds; it is asked `every` so many seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
