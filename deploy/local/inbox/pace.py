"""Owns Slack's pace: one message a second into a channel, and nothing before `Retry-After` has passed."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

INTERVAL: Final = 1.0
KEPT: Final = 1000
TIDY_ABOVE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that came `early` seconds before it was allowed to. `at` is on the caller's clock."""

    channel_id: str
    at: float
    early: float

    def as_json(self) -> dict[str, Any]:
        """Return the item that `GET /violations` answers with."""
        return {"channel_id": self.channel_id, "at": self.at, "early": round(self.early, 3)}


class Pace:
    """Says per channel whether a message may come now. All times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._free_at: dict[str, float] = {}
        self._closed_until: dict[str, float] = {}
        self.violations: deque[Violation] = deque(maxlen=KEPT)

    def wait(self, channel_id: str, now: float) -> int | None:
        """Return None when the message may be taken now, else whole seconds for `Retry-After`, and hold to them."""
        closed = self._closed_until.get(channel_id, now)
        if closed > now:
            self.violations.append(Violation(channel_id, now, closed - now))
            return math.ceil(closed - now)
        free = self._free_at.get(channel_id, now)
        if free > now:
            seconds = math.ceil(free - now)
            self.close(channel_id, now, seconds)
            return seconds
        self._tidy(now)
        self._free_at[channel_id] = now + INTERVAL
        return None

    def close(self, channel_id: str, now: float, seconds: int) -> None:
        """Take nothing more into the channel for so many seconds."""
        self._closed_until[channel_id] = now + seconds

    def forget(self) -> None:
        """Start anew: every channel is free, nothing was violated."""
        for memory in (self._free_at, self._closed_until, self.violations):
            memory.clear()

    def _tidy(self, now: float) -> None:
        for times in (self._free_at, self._closed_until):
            if len(times) > TIDY_ABOVE:
                for channel_id in [name for name, until in times.items() if until <= now]:
                    del times[channel_id]
