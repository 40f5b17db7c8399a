"""A trickle of events over HTTP: in order per account, each batch again with the same ids until it is acknowledged."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from tests.chaos.customers import Customer
from tests.chaos.patience import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.customers import Event

LANES: Final = 8
STAYING: Final = 4  # accounts a lane
PERIOD: Final = 0.25
MOST: Final = 400  # events a request, when there is much to catch up with
ARRIVES_EVERY: Final = 12.0  # seconds, in each lane
STAYS: Final = 3.0
FORGETS: Final = 0.05  # share of answers that are taken for lost, so that the same is sent again
DEADLINE: Final = 8.0
AGAIN: Final = 0.1
GIVES_UP: Final = 300.0


@dataclass
class Sender:
    """Posts batches to ingest. `acknowledged` are the events for which a 200 came, in the order of the answers."""

    url: str
    key: str
    acknowledged: list[Event] = field(default_factory=list)
    offered: int = 0  # events that were posted, whatever came of it
    waiting: int = 0  # requests under way
    cut: int = 0  # requests whose connection broke before an answer came
    refused: int = 0  # requests answered 503, or not at all because nobody listened
    repeated: int = 0  # requests whose answer was taken for lost

    def __post_init__(self) -> None:
        self._http = httpx.AsyncClient(timeout=DEADLINE)

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def deliver(self, batch: Sequence[Event], *, twice: bool = False) -> None:
        """Post a batch until it is acknowledged, and once more where `twice`."""
        self.offered += len(batch)
        for _ in range(1 + twice):
            if not await until(lambda: self.post(batch), GIVES_UP, AGAIN):
                raise AssertionError(f"not acknowledged within {GIVES_UP:.0f} s")
        self.repeated += twice
        self.acknowledged += batch

    async def post(self, batch: Sequence[Event]) -> bool:
        """Post a batch once; return whether it was acknowledged."""
        self.waiting += 1
        try:
            answer = await self._http.post(
                f"{self.url}/v1/events",
                json=list(batch),
                headers={
                    "authorization": f"Bearer {self.key}",
                    "content-type": "application/cloudevents-batch+json",
                },
            )
        except (httpx.ReadError, httpx.RemoteProtocolError):
            self.cut += 1
            return False
        except httpx.TransportError:
            self.refused += 1
            return False
        finally:
            self.waiting -= 1
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.refused += 1
            return False
        if answer.status_code != httpx.codes.OK or answer.json()["accepted"] != len(batch):
            raise AssertionError(f"ingest refused good events: {answer.status_code} {answer.text[:300]}")
        return True


class Lane:
    """The customers whose events go one after the other over one connection."""

    def __init__(self, number: int, seed: int, rate: float) -> None:
        self._number = number
        self._rng = random.Random(f"{seed}/{number}")
        self._rate = rate
        self._staying = [Customer(f"s{number}x{n}", self._rng) for n in range(STAYING)]
        self._leaving: list[tuple[float, Customer]] = []
        self._arrived = 0
        self._made = 0.0

    def batch(self, elapsed: float) -> list[Event]:
        """Return what has happened since the last batch, `elapsed` seconds after the start."""
        events = [self._rng.choice(self._staying).live() for _ in range(int(min(self._owed(elapsed), MOST)))]
        self._made += len(events)
        if elapsed >= self._arrived * ARRIVES_EVERY + self._number * ARRIVES_EVERY / LANES:
            customer = Customer(f"d{self._number}x{self._arrived}", self._rng)
            self._arrived += 1
            self._leaving.append((elapsed + STAYS, customer))
            events += customer.arrive()
        return events + self._left(elapsed)

    def last(self) -> list[Event]:
        """Return what must still happen when no more time passes."""
        return self._left(float("inf"))

    def forgets(self) -> bool:
        """Whether the next answer is taken for lost."""
        return self._rng.random() < FORGETS

    def _owed(self, elapsed: float) -> float:
        return elapsed * self._rate - self._made

    def _left(self, elapsed: float) -> list[Event]:
        gone = [customer for at, customer in self._leaving if at <= elapsed]
        self._leaving = [(at, customer) for at, customer in self._leaving if at > elapsed]
        return [customer.leave() for customer in gone]


async def feed(sender: Sender, seed: int, rate: float, stop: asyncio.Event) -> None:
    """Send `rate` events a second until told to stop; return when everything is acknowledged."""
    async with asyncio.TaskGroup() as lanes:
        for number in range(LANES):
            lanes.create_task(_drive(sender, Lane(number, seed, rate / LANES), stop))


async def _drive(sender: Sender, lane: Lane, stop: asyncio.Event) -> None:
    began = time.monotonic()
    while not stop.is_set():
        if batch := lane.batch(time.monotonic() - began):
            await sender.deliver(batch, twice=lane.forgets())
        await asyncio.sleep(PERIOD)
    if rest := lane.last():
        await sender.deliver(rest)
