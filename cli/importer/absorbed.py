"""Waits until the services have absorbed and evaluated what was sent, showing how much is left to do.

Services feed one another: what health makes of history goes on to alerts. So it waits twice, the second time for what
had been sent by the end of the first.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cli.client import service
from cli.errors import Refused
from shared.clock import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

LOOK_EVERY: Final = 0.3
LINE_EVERY: Final = 5.0
PATIENCE: Final = 120.0
ROUNDS: Final = 2


class Stillness:
    """Tells for how long nothing has moved: fed with how much is left where."""

    def __init__(self, at: float) -> None:
        self._left: dict[str, int] = {}
        self._since = at

    def look(self, left: dict[str, int], at: float) -> float:
        """Take note of a look at all services; return for how many seconds nothing has moved."""
        if left != self._left:
            self._left, self._since = left, at
        return at - self._since


def wait(names: Sequence[str], console: Console) -> None:
    """Return when the services have nothing left to do; `Refused` when they stand still for two minutes."""
    for _ in range(ROUNDS):
        wait_until_through(names, now(), console)


def wait_until_through(names: Sequence[str], moment: datetime, console: Console) -> None:
    """Return when the services are through with everything that was sent before a moment."""
    stillness = Stillness(time.monotonic())
    said = time.monotonic()
    with console.status("waiting for the services to absorb it") as spinner:
        while any((left := {name: to_do(service(name).get("/v1/status"), moment) for name in names}).values()):
            if stillness.look(left, time.monotonic()) > PATIENCE:
                raise Refused(
                    f"Nothing has moved for {PATIENCE:.0f} s: {in_words(left)}. See `kizuna status` and `kizuna dlq`; "
                    "what was sent is safe",
                    code="not_absorbed",
                )
            spinner.update(f"to be absorbed: {in_words(left)}")
            if not console.is_terminal and time.monotonic() - said >= LINE_EVERY:
                said = time.monotonic()
                console.print(f"to be absorbed: {in_words(left)}", soft_wrap=True)
            time.sleep(LOOK_EVERY)


def to_do(status: dict[str, Any], moment: datetime) -> int:
    """Return how much a service has before it: records to read, accounts to evaluate, events to send.

    One that cannot say yet, or that has last seen the end of its topics before the moment, has at least one thing left.
    """
    parts = [status.get(name) for name in ("lag", "due", "outbox")]
    left = sum(part for part in parts if isinstance(part, int))
    through = status.get("absorbed_through")
    current = isinstance(through, str) and datetime.fromisoformat(through) >= moment
    return left if current and isinstance(parts[0], int) else max(1, left)


def in_words(left: dict[str, int]) -> str:
    """Return how much is left where."""
    return ", ".join(f"{name} {count:,}" for name, count in left.items() if count) or "nothing"
