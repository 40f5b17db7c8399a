"""Watches the event loop from a thread: one that is blocked can answer no probe, so nobody else could name the cause.

It says with a stack trace what blocks the loop, and ends a process whose loop does not come back.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    import asyncio

log = structlog.get_logger()

TOLD_SECONDS: Final = 5.0
STUCK_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.5
EXIT_CODE: Final = 1


class Watchdog(threading.Thread):
    """Watches `loop`, which runs in the thread that makes this object, until the process ends."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, told: float = TOLD_SECONDS, stuck: float = STUCK_SECONDS
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._loop = loop
        self._thread = threading.get_ident()
        self._told = told
        self._stuck = stuck
        self._came_by = threading.Event()

    def run(self) -> None:
        """Ask the loop to come by, again and again. Waits are added up, so a process that was stopped is not blamed."""
        waited = 0.0
        while not self._loop.is_closed():
            if self._asked():
                waited = 0.0
                threading.Event().wait(LOOK_SECONDS)
                continue
            before, waited = waited, waited + LOOK_SECONDS
            if before < self._told <= waited:
                log.error("event_loop_blocked", seconds=waited, stack=self._stack())
            if waited >= self._stuck:
                log.critical("event_loop_stuck", seconds=waited, stack=self._stack())
                os._exit(EXIT_CODE)

    def _asked(self) -> bool:
        self._came_by.clear()
        try:
            self._loop.call_soon_threadsafe(self._came_by.set)
        except RuntimeError:
            return True  # closed meanwhile
        return self._came_by.wait(LOOK_SECONDS)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - documented, in spite of its name
        return "".join(traceback.format_stack(frame)) if frame else ""
