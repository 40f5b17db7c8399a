"""A closed-loop HTTP client: so many connections, each sending its next request when the last was answered.

`python -m tests.bench.load URL KEY EVENTS CONNECTIONS SECONDS` prints {"events", "seconds", "failed", "p50", "p99"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop

BODIES = 64


def events(count: int, salt: int) -> list[dict[str, object]]:
    """Return usage calls of about 300 bytes each, over 200 accounts."""
    return [
        {
            "type": "track",
            "event": "report_opened",
            "userId": f"person-{(salt * 31 + n) % 1000}",
            "messageId": f"bench-{salt}-{n}-0123456789abcdef0123456789abcdef",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "context": {"groupId": f"account-{(salt * 7 + n) % 200}", "library": {"name": "bench", "version": "1"}},
            "properties": {"plan": "premium", "section": "pipeline", "seats": 40},
        }
        for n in range(count)
    ]


class Client(asyncio.Protocol):
    """One keep-alive connection. Knows just enough HTTP for answers with a Content-Length."""

    def __init__(self, requests: list[bytes], until: float, tally: list[float]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failed = 0
        self._requests = requests
        self._until = until
        self._tally = tally
        self._buffer = b""
        self._next = id(self) % len(requests)
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        self._buffer = b""
        if head[9:12] == b"200":
            self._tally.append(time.perf_counter() - self._began)
        else:
            self.failed += 1
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._next = (self._next + 1) % len(self._requests)
        self._began = time.perf_counter()
        self._transport.write(self._requests[self._next])


def _same(client: Client) -> Client:
    return client


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _request(url: str, key: str, body: bytes) -> bytes:
    place = urlsplit(url)
    head = (
        f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nX-Write-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(url: str, key: str, count: int, connections: int, seconds: float) -> dict[str, float]:
    """Load `url` and return events acknowledged, seconds, failures and latencies in milliseconds."""
    bodies = [json.dumps({"batch": events(count, salt)}).encode() for salt in range(BODIES)]
    requests = [_request(url, key, body) for body in bodies]
    place, tally = urlsplit(url), list[float]()
    began = time.perf_counter()
    clients = [Client(requests, began + seconds, tally) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    for client in clients:
        await loop.create_connection(partial(_same, client), place.hostname or "", place.port or 80)
    await asyncio.gather(*(client.done for client in clients))
    elapsed, tally = time.perf_counter() - began, sorted(tally) or [0.0]
    return {
        "events": len(tally) * count,
        "seconds": elapsed,
        "failed": sum(client.failed for client in clients),
        "p50": 1000 * tally[len(tally) // 2],
        "p99": 1000 * tally[int(len(tally) * 0.99)],
    }


if __name__ == "__main__":
    _, target, write_key, per_request, parallel, duration = sys.argv
    print(json.dumps(uvloop.run(run(target, write_key, int(per_request), int(parallel), float(duration)))))  # noqa: T201 - the result
