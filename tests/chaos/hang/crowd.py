"""Many clients that keep posting whatever comes back, each over a connection of its own, and what they saw."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

SOURCE: Final = "crowd"
GIVE_UP_SECONDS: Final = 60.0
BEAT_SECONDS: Final = 0.05
SNAPSHOT_EVERY: Final = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: when it began, how long it took (the client's idleness aside), what was answered (0: nothing)."""

    event: str
    began: float
    seconds: float
    status: int
    snapshot: bool

    @property
    def ended(self) -> float:
        return self.began + self.seconds


@dataclass
class Crowd:
    """`clients` connections that post one event each, then rest for `pause` seconds."""

    url: str
    key: str
    clients: int
    pause: float
    seen: list[Seen] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._lags: list[tuple[float, float]] = []
        self._numbers = count()
        self._tasks = [asyncio.create_task(self._measure())]
        self._tasks += [asyncio.create_task(self._client(number)) for number in range(self.clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def between(self, began: float, ended: float) -> list[Seen]:
        """Return the requests of which a part lies in this time."""
        return [each for each in self.seen if each.began <= ended and each.ended >= began]

    def taken(self) -> list[Seen]:
        """Return the requests whose events were acknowledged."""
        return [each for each in self.seen if each.status == 200]

    async def _measure(self) -> None:
        """Note how late this very loop is: on a busy machine clients are slow, too."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            late = time.monotonic() - began - BEAT_SECONDS
            if late > BEAT_SECONDS:
                self._lags.append((time.monotonic(), late))

    async def _client(self, number: int) -> None:
        await asyncio.sleep(self.pause * number / self.clients)
        place = urlsplit(self.url)
        async with _Line(place.hostname or "", place.port or 80) as line:
            while True:
                own = next(self._numbers)
                snapshot = own % SNAPSHOT_EVERY == 0
                event = _event(f"crowd-{number}", f"crowd-event-{own}", snapshot=snapshot)
                began = time.monotonic()
                status = await line.post(_request(place.netloc, self.key, event))
                seconds = time.monotonic() - began
                idle = sum(late for at, late in self._lags[-50:] if at >= began)
                self.seen.append(Seen(event["id"], began, max(seconds - idle, 0), status, snapshot))
                await asyncio.sleep(self.pause)


class _Line:
    """A client's connection, made anew after it broke."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def post(self, request: bytes) -> int:
        """Send a request; return the answer's status, 0 where there was none."""
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                self._ends = self._ends or await asyncio.open_connection(*self._place)
                return await _post(*self._ends, request)
        except (OSError, TimeoutError, EOFError):
            await self._close()
            return 0

    async def _close(self) -> None:
        if self._ends:
            writer, self._ends = self._ends[1], None
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


def snapshot(account: str, name: str) -> dict[str, Any]:
    """Return an event that all three consumers read."""
    return _event(account, name, snapshot=True)


def _event(account: str, name: str, *, snapshot: bool) -> dict[str, Any]:
    item = {"item_id": "seats", "product_id": "pro", "quantity": 5, "unit_amount": "20.00", "interval": "month"}
    contract = {"subscription_id": f"{account}/s1", "status": "active", "currency": "USD"}
    return {
        "specversion": "1.0",
        "id": name,
        "source": SOURCE,
        "type": "kizuna.subscription.snapshot" if snapshot else "kizuna.usage.recorded",
        "subject": account,
        "time": datetime.now(UTC).isoformat(),
        "data": contract | {"items": [item]} if snapshot else {"event": "login", "person_id": "p1"},
    }


def _request(netloc: str, key: str, event: dict[str, Any]) -> bytes:
    body = json.dumps(event).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: {netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/cloudevents+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next((int(line[15:]) for line in head if line.startswith(b"content-length:")), 0)
    await reader.readexactly(length)
    return int(head[0].split()[1])


def slowest(seen: Iterable[Seen]) -> float:
    """Return the longest time that a request took."""
    return max((each.seconds for each in seen), default=0.0)
