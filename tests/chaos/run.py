"""One run: load trickles in, faults strike at seeded moments, then all is healed, left to rest and judged."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.chaos.faults import Fault, kinds
from tests.chaos.feeding import Sender, feed
from tests.chaos.judge import Verdict, judge
from tests.chaos.model import Model
from tests.chaos.reading import read
from tests.chaos.rest import Postbox, rest
from tests.chaos.watching import watch_positions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.chaos.cluster import Cluster

    Kinds = Mapping[str, Callable[[Fault], Awaitable[str]]]

RATE: Final = 125.0  # events a second: at least 100 are promised
PAUSE: Final = (0.5, 2.5)
WARM_SECONDS: Final = 3.0


@dataclass(slots=True)
class Blow:
    """One fault: what kind, at which second, and what it hit ("": nothing was under way)."""

    kind: str
    at: float
    hit: str


@dataclass(slots=True)
class Outcome:
    """What one run came to. `seconds` is how long the load lasted, `rested` how long it then took to rest."""

    seed: int
    seconds: float
    verdict: Verdict
    acknowledged: int
    blows: list[Blow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rested: float = 0.0
    honest: dict[str, Verdict] = field(default_factory=dict)
    twins: dict[str, Verdict] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether all was spotless that had to be, all was hit that had to be hit, and every twin was caught."""
        spotless = self.verdict.spotless and all(each.spotless for each in self.honest.values())
        return spotless and not self.missed and not any(each.spotless for each in self.twins.values())

    @property
    def missed(self) -> list[str]:
        """The kinds of fault that had two chances or more and never hit work in flight."""
        struck = Counter(blow.kind for blow in self.blows)
        hit = {blow.kind for blow in self.blows if blow.hit}
        return sorted(kind for kind, times in struck.items() if times > 1 and kind not in hit)


async def run(cluster: Cluster, seed: int, seconds: float, say: Callable[[str], None]) -> Outcome:
    """Mistreat a cluster for so long, and judge it."""
    await watch_positions(cluster)
    sender, stop, postbox = Sender(cluster.url("ingest"), cluster.key), asyncio.Event(), Postbox(cluster)
    began = time.monotonic()
    keeping = asyncio.create_task(postbox.keep())
    feeding = asyncio.create_task(feed(sender, seed, RATE, stop))
    try:
        blows = await _strike(Fault(cluster, sender, random.Random(seed)), kinds(cluster.kafka), seconds, say)
        stop.set()
        lasted = time.monotonic() - began
        say(f"healing after {lasted:.0f} s, {len(sender.acknowledged)} events acknowledged")
        cluster.proxy.heal()
        await cluster.all_ready()
        await feeding
        healed = time.monotonic()
        left = await rest(cluster)
        say(f"at rest after {time.monotonic() - healed:.0f} s" if not left else f"NOT AT REST: {left}")
        for line in await cluster.stand() if left else ():
            say(line)
    finally:
        keeping.cancel()
        feeding.cancel()
        await sender.close()
    model = Model.of(sender.acknowledged)
    verdict = judge(model, await read(cluster, model.accounts, await postbox.empty()))
    if left:
        verdict.lost.append(f"it never came to rest: {left}")
    notes = [
        f"{len(model.accounts)} accounts, {len(model.left())} champions left",
        f"{sender.cut} requests were cut, {sender.refused} refused, {sender.repeated} repeated",
    ]
    return Outcome(seed, lasted, verdict, len(model.events), blows, notes, time.monotonic() - healed)


async def _strike(fault: Fault, known: Kinds, seconds: float, say: Callable[[str], None]) -> list[Blow]:
    """Strike until the time is over: every kind once in random order, then again."""
    began, blows, waiting = time.monotonic(), [], list[str]()
    await asyncio.sleep(WARM_SECONDS)
    while time.monotonic() - began < seconds:
        await fault.flowing()
        at = time.monotonic() - began
        if not waiting:
            waiting = fault.rng.sample(list(known), len(known))
        kind = waiting.pop()
        hit = await known[kind](fault)
        blows.append(Blow(kind, at, hit))
        say(f"{at:5.1f} s  {kind:<18}  {hit or '(nothing was under way)'}")
        for name in fault.fallen():
            say(f"         {name} has ended by itself; started again")
        await asyncio.sleep(fault.rng.uniform(*PAUSE))
    return blows
