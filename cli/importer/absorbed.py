"""Waits until the services have absorbed and evaluated what was sent, showing how much is left to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from cli.client import service
from cli.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

LOOK_EVERY: Final = 0.5
LINE_EVERY: Final = 5.0
PATIENCE: Final = 120.0
QUIET_LOOKS: Final = 2
"""Services feed one another, so one look at each may miss what is on its way between two of them."""


class Stillness:
    """Tells whether anything moves: fed with how much is left, it knows for how long that has not changed."""

    def __init__(self, at: float) -> None:
        self._left: dict[str, int] = {}
        self._since = at
        self.quiet = 0

    def look(self, left: dict[str, int], at: float) -> float:
        """Take note of a look at all services; return for how many seconds nothing has moved."""
        self.quiet = 0 if any(left.values()) else self.quiet + 1
        if left != self._left:
            self._left, self._since = left, at
        return at - self._since


def wait(names: Sequence[str], console: Console) -> None:
    """Return when no service has anything left to do; `Refused` when one stands still for two minutes."""
    stillness = Stillness(time.monotonic())
    said = time.monotonic()
    with console.status("waiting for the services to absorb it") as spinner:
        while stillness.quiet < QUIET_LOOKS:
            left = {name: to_do(service(name).get("/v1/status")) for name in names}
            still_for = stillness.look(left, time.monotonic())
            if still_for > PATIENCE and any(left.values()):
                raise Refused(f"Nothing has moved for {PATIENCE:.0f} s: {in_words(left)}. See `kizuna status` and "
                              "`kizuna dlq`; what was sent is safe", code="not_absorbed")  # fmt: skip
            spinner.update(f"to be absorbed: {in_words(left)}")
            if not console.is_terminal and time.monotonic() - said >= LINE_EVERY:
                said = time.monotonic()
                console.print(f"to be absorbed: {in_words(left)}", soft_wrap=True)
            time.sleep(LOOK_EVERY)


def to_do(status: dict[str, Any]) -> int:
    """Return how much a service has before it: records to read, accounts to evaluate, events to send.

    One that cannot say yet has at least one thing left.
    """
    parts = [status.get(name) for name in ("lag", "due", "outbox")]
    return sum(part for part in parts if isinstance(part, int)) if isinstance(parts[0], int) else 1


def in_words(left: dict[str, int]) -> str:
    """Return how much is left where."""
    return ", ".join(f"{name} {count:,}" for name, count in left.items() if count) or "nothing"
