"""Delivers batches to ingest: several requests in flight, acknowledged in order, repeated until they are taken.

A full or restarting ingest (429, 5xx, a broken connection) is waited for, since nothing may be dropped and a repetition
counts once; a request that is refused as a whole (other 4xx) ends the delivery with the service's own words.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from cli.client import transport
from cli.errors import NotReachable, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cli.importer.batches import Batch

CONTENT_TYPE: Final = "application/cloudevents-batch+json"
TAKEN: Final = 200
WAIT_AND_REPEAT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
REJECTIONS_KEPT: Final = 100


class Rejection(msgspec.Struct, frozen=True):
    """An event that ingest refused: the row or line it came from, and why."""

    row: int
    id: str | None
    code: str
    message: str


@dataclass(slots=True)
class Tally:
    """What ingest said so far. Of the refusals the first hundred are kept word for word, all are counted by code."""

    accepted: int = 0
    parked: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_rejections: list[Rejection] = field(default_factory=list)

    def add(self, batch: Batch, answer: dict[str, Any]) -> None:
        """Count the answer to one batch."""
        self.accepted += answer["accepted"]
        self.parked += answer["parked"]
        for refused in answer["rejected"]:
            self.rejected[refused["code"]] += 1
            if len(self.first_rejections) < REJECTIONS_KEPT:
                row = batch.rows[refused["index"]]
                self.first_rejections.append(Rejection(row, refused.get("id"), refused["code"], refused["message"]))

    def document(self) -> dict[str, Any]:
        """Return the tally as it is printed with `--json`."""
        return {
            "accepted": self.accepted,
            "parked": self.parked,
            "rejected": self.rejected.total(),
            "rejected_by_code": dict(self.rejected),
            "rejections": self.first_rejections,
        }


@dataclass(frozen=True, slots=True)
class Door:
    """Where batches go: ingest's address, the write key, how many requests at a time, how long it may be away."""

    url: str
    write_key: str
    in_flight: int = 4
    patience: float = 300.0

    def open(self) -> httpx.AsyncClient:
        """Return an HTTP client for this door."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"authorization": f"Bearer {self.write_key}", "content-type": CONTENT_TYPE},
            **transport(self.url),
        )


async def deliver(door: Door, work: Iterable[Batch], acknowledged: Callable[[Batch, dict[str, Any]], None]) -> None:
    """Send all batches and call `acknowledged` for each in order, so that what it saw is a prefix of the whole."""
    flying: deque[tuple[Batch, asyncio.Task[dict[str, Any]]]] = deque()
    async with door.open() as client:
        try:
            for batch in work:
                flying.append((batch, asyncio.create_task(post(client, door, batch))))
                # Lets the new request out before the next batch is made, which takes as long as ingest needs for one.
                await asyncio.sleep(0)
                while len(flying) >= door.in_flight or (flying and flying[0][1].done()):
                    await land(flying, acknowledged)
            while flying:
                await land(flying, acknowledged)
        finally:
            for _, task in flying:
                task.cancel()
            await asyncio.gather(*(task for _, task in flying), return_exceptions=True)


async def land(
    flying: deque[tuple[Batch, asyncio.Task[dict[str, Any]]]],
    acknowledged: Callable[[Batch, dict[str, Any]], None],
) -> None:
    """Wait for the oldest request and report its answer."""
    batch, task = flying[0]
    answer = await task
    flying.popleft()
    acknowledged(batch, answer)


async def post(client: httpx.AsyncClient, door: Door, batch: Batch) -> dict[str, Any]:
    """Send one batch until ingest answers 200 and return its answer; give up after `patience` seconds of absence."""
    given_up = time.monotonic() + door.patience
    attempt = 0
    while True:
        try:
            response = await client.post("/v1/events", content=batch.body)
        except httpx.TransportError:
            response = None
        if response is not None and response.status_code not in WAIT_AND_REPEAT:
            return taken(response)
        if time.monotonic() > given_up:
            raise NotReachable(f"Ingest at {door.url} has taken nothing for {door.patience:.0f} s: see `kizuna status` "
                               "and run the same command again, it goes on where it stopped")  # fmt: skip
        await asyncio.sleep(pause(attempt, response))
        attempt += 1


def taken(response: httpx.Response) -> dict[str, Any]:
    """Return the answer of a batch that was taken, or raise `Refused` for one that was refused as a whole."""
    try:
        answer: dict[str, Any] = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Refused(
            f"ingest answered {response.status_code} with something that is no JSON", code="not_json"
        ) from error
    if response.status_code == TAKEN:
        return answer
    code, message = str(answer.get("code", response.status_code)), answer.get("message", response.reason_phrase)
    raise Refused(f"ingest refuses the request: {message}", code=code, status=response.status_code)


def pause(attempt: int, response: httpx.Response | None) -> float:
    """Return how many seconds to wait: what the service asks for, else twice as long each time."""
    asked = response.headers.get("retry-after", "") if response is not None else ""
    doubled = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 10))
    return max(float(asked), FIRST_PAUSE) if asked.isdecimal() else doubled
