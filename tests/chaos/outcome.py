"""What one run came to, and whether that is good: a run that proves nothing is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.chaos.judge import Verdict

LEAST: Final = 100.0  # events a second that must be offered
IN_TIME: Final = 0.5  # the share of them that must be acknowledged while the faults strike
LONG_RUN: Final = 300.0  # seconds in which every kind of fault must have its turn


@dataclass(slots=True)
class Blow:
    """One fault: what kind, at which second, and what it hit ("": nothing was under way)."""

    kind: str
    at: float
    hit: str


@dataclass(slots=True)
class Outcome:
    """The outcome of a run. `seconds` is how long the load lasted, `rested` how long it then took to rest.

    Of the `offered` events `in_time` were acknowledged while the load lasted. `kinds` are the faults that the broker
    knows; `twins` says, by sabotage, what gave each twin away ("": nothing).
    """

    seed: int
    seconds: float
    verdict: Verdict
    acknowledged: int
    blows: list[Blow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rested: float = 0.0
    offered: int = 0
    in_time: int = 0
    kinds: tuple[str, ...] = ()
    honest: dict[str, Verdict] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether all was spotless that had to be, and the run had the means to find out if it were not."""
        return self.verdict.spotless and all(each.spotless for each in self.honest.values()) and not self.blind

    @property
    def blind(self) -> list[str]:
        """Why this run proves too little, in sentences."""
        found = [] if self.blows else ["No fault was struck."]
        if self.offered < LEAST * self.seconds:
            found.append(f"Only {self.offered / self.seconds:.0f} events/s were offered instead of {LEAST:.0f}.")
        if self.in_time < IN_TIME * self.offered:
            found.append(f"Of {self.offered} events only {self.in_time} were acknowledged while faults struck.")
        struck = Counter(blow.kind for blow in self.blows)
        found += [f"'{kind}' was struck {struck[kind]} times and never hit work in flight." for kind in self.missed]
        if self.seconds >= LONG_RUN:
            found += [f"'{kind}' was never struck." for kind in self.kinds if kind not in struck]
        return found + [f"The twin '{name}' was not caught." for name, finding in self.twins.items() if not finding]

    @property
    def missed(self) -> list[str]:
        """The kinds of fault that were struck and never hit work in flight."""
        hit = {blow.kind for blow in self.blows if blow.hit}
        return sorted({blow.kind for blow in self.blows} - hit)
