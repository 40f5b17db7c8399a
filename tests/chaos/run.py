"""One run: load trickles in, faults strike at seeded moments, then all is healed, left to rest and judged."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from tests.chaos.faults import Fault, kinds
from tests.chaos.feeding import Sender, feed
from tests.chaos.judge import judge
from tests.chaos.model import Model
from tests.chaos.outcome import Blow, Outcome
from tests.chaos.patience import when
from tests.chaos.reading import read
from tests.chaos.rest import Postbox, rest
from tests.chaos.watching import watch_positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.chaos.cluster import Cluster
    from tests.chaos.faults import Kinds

RATE: Final = 125.0  # events a second: at least 100 are promised
PAUSE: Final = (0.5, 2.5)
WARM_SECONDS: Final = 3.0
CATCH_UP_SECONDS: Final = 15.0  # for the load that the last fault has held up
CAUGHT_UP: Final = 0.9  # the share of the rate at which it has
TRIES: Final = 3  # blows one after the other until one hits work in flight


async def run(cluster: Cluster, seed: int, seconds: float, say: Callable[[str], None]) -> Outcome:
    """Mistreat a cluster for so long, and judge it."""
    await watch_positions(cluster)
    sender, stop, postbox = Sender(cluster.url("ingest"), cluster.key), asyncio.Event(), Postbox(cluster)
    known = kinds(cluster.kafka, seconds)
    began = time.monotonic()
    keeping = asyncio.create_task(postbox.keep())
    feeding = asyncio.create_task(feed(sender, seed, RATE, stop))
    try:
        blows = await _strike(Fault(cluster, sender, random.Random(seed)), known, turns(known, seed), seconds, say)
        await when(lambda: sender.offered >= CAUGHT_UP * RATE * (time.monotonic() - began), CATCH_UP_SECONDS)
        stop.set()
        lasted, offered, in_time = time.monotonic() - began, sender.offered, len(sender.acknowledged)
        say(f"healing after {lasted:.0f} s, {offered} events offered, {in_time} acknowledged")
        cluster.proxy.heal()
        await cluster.all_ready()
        await feeding
        healed = time.monotonic()
        left = await rest(cluster)
        rested = time.monotonic() - healed
        say(f"at rest after {rested:.0f} s" if not left else f"NOT AT REST: {left}")
        for line in await cluster.stand() if left else ():
            say(line)
    finally:
        keeping.cancel()
        feeding.cancel()
        await sender.close()
    model = Model.of(sender.acknowledged)
    verdict = judge(model, await read(cluster, model.accounts, await postbox.empty()), left)
    notes = [
        f"{len(model.accounts)} accounts, {len(model.left())} champions left",
        f"{sender.cut} requests were cut, {sender.refused} refused, {sender.repeated} repeated",
    ]
    acknowledged = len(model.events)
    return Outcome(seed, lasted, verdict, acknowledged, blows, notes, rested, offered, in_time, tuple(known))


def turns(known: Iterable[str], seed: int) -> Iterator[str]:
    """Return kinds of fault for ever: every one once in an order that the seed alone decides, then again in another."""
    rng, names = random.Random(f"{seed}/turns"), list(known)
    while True:
        yield from rng.sample(names, len(names))


async def _strike(
    fault: Fault, known: Kinds, turns: Iterator[str], seconds: float, say: Callable[[str], None]
) -> list[Blow]:
    """Strike until the time is over; what has hit nothing is tried again at once, a few times."""
    began, blows = time.monotonic(), list[Blow]()
    await asyncio.sleep(WARM_SECONDS)
    while time.monotonic() - began < seconds:
        kind = next(turns)
        for _ in range(TRIES):
            await fault.flowing()
            at = time.monotonic() - began
            blows.append(Blow(kind, at, await known[kind](fault)))
            say(f"{at:5.1f} s  {kind:<18}  {blows[-1].hit or '(nothing was under way)'}")
            for name in fault.fallen():
                say(f"         {name} has ended by itself; started again")
            await asyncio.sleep(fault.rng.uniform(*PAUSE))
            if blows[-1].hit:
                break
    return blows
