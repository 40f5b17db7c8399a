"""How much a run measures: SMOKE=1 shows that it works, LONG=1 is judged, and in between lies what one waits for.

ROUNDS and SECONDS_EACH overrule.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Extent:
    """What a run does. `shapes`: events a request, and how many connections then send such requests."""

    rounds: int
    seconds: float
    preloaded: int
    steady_seconds: float
    grave_facts: int = 0
    growth: tuple[int, ...] = ()
    shapes: Mapping[int, int] = field(default_factory=lambda: {1: 64, 20: 32, 100: 16, 1000: 8})


USUAL: Final = Extent(rounds=2, seconds=1.5, preloaded=60_000, steady_seconds=4, grave_facts=12)
LONG: Final = Extent(5, 2.0, 90_000, 10, grave_facts=60, growth=(1_000, 10_000, 100_000))
SMOKE: Final = Extent(1, 0.3, 4_000, 1, shapes={1: 16, 100: 4})


def chosen() -> Extent:
    """Return the extent that the environment asks for."""
    extent = SMOKE if os.environ.get("SMOKE") else LONG if os.environ.get("LONG") else USUAL
    rounds, seconds = os.environ.get("ROUNDS", extent.rounds), os.environ.get("SECONDS_EACH", extent.seconds)
    return replace(extent, rounds=int(rounds), seconds=float(seconds))
