"""One case: a crowd posts, a fault comes and goes, comes again while everything is told to end; and what was seen."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeVar

import httpx

from deploy.local.plan import CONSUMERS, SERVICES
from tests.chaos.hang.crowd import SOURCE, Crowd, Seen, slowest, snapshot
from tests.chaos.hang.world import FAULTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from tests.chaos.hang.world import World

T = TypeVar("T")
WARM_SECONDS: Final = 4.0
PAUSE_SECONDS: Final = 0.5
BACK_SECONDS: Final = 60.0  # how long recovery is waited for; how long it may take is for the judge
COUNTED_SECONDS: Final = 60.0
ASKED_AT_ONCE: Final = 8
LOOKED_UP: Final = 1500  # of the acknowledged events so many, those nearest to where a fault began or ended
READS: Final = {
    "health": "/v1/portfolio",
    "revenue": "/v1/retention?from=2026-01-01&to=2026-06-01",
    "alerts": "/v1/alerts",
}


@dataclass
class Watched:
    """What was seen of a case. Seconds, except `grown`: MB by service."""

    fault: str
    seconds: float
    crowd: dict[int, int] = field(default_factory=dict)  # how many requests were answered with what, during the fault
    slowest_post: float = 0.0
    slowest_read: float = 0.0
    reads: Counter[int] = field(default_factory=Counter)
    named: set[str] = field(default_factory=set)  # parts that /readyz or /livez named
    grown: dict[str, float] = field(default_factory=dict)
    ingest_back: float = BACK_SECONDS
    consumers_back: dict[str, float] = field(default_factory=dict)
    ended: dict[str, tuple[float, int | None]] = field(default_factory=dict)
    looked_up: int = 0  # acknowledged events
    lost: list[str] = field(default_factory=list)


async def watch(world: World, fault: str, clients: int, seconds: float) -> Watched:
    """Let the fault come, go, and come again while the services are told to end; return what was seen."""
    seen = Watched(fault, seconds)
    crowd = Crowd(world.url("ingest"), world.environment["KIZUNA_WRITE_KEY"], clients, PAUSE_SECONDS)
    async with httpx.AsyncClient(timeout=BACK_SECONDS, headers=world.headers) as http, crowd:
        await asyncio.sleep(WARM_SECONDS)
        before = world.memory()
        began = time.monotonic()
        with FAULTS[fault](world):
            await _look_on(world, http, seen, seconds)
            after = world.memory()
        healed = time.monotonic()
        seen.grown = {name: after[name] - before[name] for name in SERVICES if name in after and name in before}
        await _come_back(world, http, seen, healed)
        answered = crowd.between(began, healed)
        seen.crowd, seen.slowest_post = dict(Counter(each.status for each in answered)), slowest(answered)
        again = time.monotonic()
        with FAULTS[fault](world):
            await asyncio.sleep(min(seconds, WARM_SECONDS))
            seen.ended = await world.terminate()
        await world.start_again()
    edges = (began, healed, again)
    taken = sorted(crowd.taken(), key=lambda each: min(abs(each.ended - edge) for edge in edges))[:LOOKED_UP]
    async with httpx.AsyncClient(timeout=BACK_SECONDS, headers=world.headers) as http:
        seen.looked_up, seen.lost = len(taken), await _not_counted(world, http, taken)
    return seen


async def _look_on(world: World, http: httpx.AsyncClient, seen: Watched, seconds: float) -> None:
    """Read from every service, and ask how it is, over and over, until the time is over."""

    async def read(service: str) -> None:
        while True:
            answer = await timed(_get(http, world.url(service) + READS[service]), seen)
            seen.reads[answer.status_code] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def probe(service: str) -> None:
        while True:
            for path in ("/readyz", "/livez"):
                answer = await timed(_get(http, world.url(service) + path), seen)
                if not answer.is_success:
                    seen.named |= {f"{path} {service}: {part}" for part in answer.json()["parts"]}
            await asyncio.sleep(PAUSE_SECONDS)

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*map(read, CONSUMERS), *map(probe, SERVICES))


async def timed(answer: Awaitable[T], seen: Watched) -> T:
    """Note how long an answer took, or has been waited for when that was given up."""
    began = time.monotonic()
    try:
        return await answer
    finally:
        seen.slowest_read = max(seen.slowest_read, time.monotonic() - began)


async def _get(http: httpx.AsyncClient, url: str) -> httpx.Response:
    """Ask, and ask again where the service has just closed a connection that had been idle for too long."""
    try:
        return await http.get(url)
    except (httpx.ReadError, httpx.RemoteProtocolError):
        return await http.get(url)


async def _come_back(world: World, http: httpx.AsyncClient, seen: Watched, healed: float) -> None:
    """Note when an event is acknowledged again, and when each consumer has counted one."""
    name, account = f"probe-{token_hex(6)}", f"probe-{token_hex(4)}"
    headers = {"authorization": f"Bearer {world.environment['KIZUNA_WRITE_KEY']}"}
    headers["content-type"] = "application/cloudevents+json"

    async def post(number: int) -> str | None:
        event = snapshot(account, f"{name}-{number}")
        with suppress(httpx.TransportError):
            if (await http.post(f"{world.url('ingest')}/v1/events", json=event, headers=headers)).is_success:
                return str(event["id"])
        return None

    pending: set[asyncio.Task[str | None]] = set()
    given_up, number, event = healed + BACK_SECONDS, 0, None
    while not event and time.monotonic() < given_up:  # one that hangs must not keep the next from being asked
        pending.add(asyncio.create_task(post(number)))
        number += 1
        done, pending = await asyncio.wait(pending, timeout=0.2)
        event = next((task.result() for task in done if task.result()), None)
        await asyncio.sleep(0.1)
    for task in pending:
        task.cancel()
    seen.ingest_back = time.monotonic() - healed
    if event:
        found = await asyncio.gather(*(_counted(world, http, each, event, given_up) for each in CONSUMERS))
        seen.consumers_back = {name: at - healed for name, at in zip(CONSUMERS, found, strict=True)}


async def _counted(world: World, http: httpx.AsyncClient, service: str, event: str, given_up: float) -> float:
    """Return when a service has counted an event; after `given_up`, that moment."""
    while time.monotonic() < given_up:
        with suppress(httpx.TransportError):
            answer = await http.get(f"{world.url(service)}/v1/events/{event}", params={"source": SOURCE})
            if answer.is_success:
                break
        await asyncio.sleep(0.1)
    return time.monotonic()


async def _not_counted(world: World, http: httpx.AsyncClient, taken: Iterable[Seen]) -> list[str]:
    """Return acknowledged events that a service, which reads their type, does not count."""
    given_up, free = time.monotonic() + COUNTED_SECONDS, asyncio.Semaphore(ASKED_AT_ONCE)

    async def missing(service: str, event: str) -> str | None:
        async with free:
            while True:
                answer = await http.get(f"{world.url(service)}/v1/events/{event}", params={"source": SOURCE})
                if answer.is_success:
                    return None
                if time.monotonic() > given_up:
                    return f"{service}: {event}"
                await asyncio.sleep(0.5)

    wanted = [(service, each.event) for each in taken for service in (CONSUMERS if each.snapshot else ("health",))]
    found = await asyncio.gather(*(missing(*each) for each in wanted))
    return [each for each in found if each]
