"""Waiting for something to show up in the services: asked again and again until a deadline, never slept through."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from cli.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

T = TypeVar("T")
EVERY: Final = 0.2


def until(console: Console, what: str, seconds: float, look: Callable[[], T | None]) -> T:
    """Return what `look` finds; `Refused` says what did not show up when it has found nothing for so many seconds."""
    given_up = time.monotonic() + seconds
    with console.status(f"waiting for {what}"):
        while (found := look()) is None:
            if time.monotonic() > given_up:
                raise Refused(f"{what} did not show up within {seconds:.0f} s: `kizuna status`, `kizuna dlq` and "
                              "`.run/log/` tell why", code="not_shown_up")  # fmt: skip
            time.sleep(EVERY)
    return found
