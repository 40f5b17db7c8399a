"""A closed-loop HTTP client: so many connections, each sending its next request when the last was answered.

`python -m tests.bench.load URL[,URL] KEY EVENTS CONNECTIONS SECONDS` prints {"events", "seconds", "failed", "p50",
"p99", "cpu"}: latencies in ms, and the seconds of processor time that sending cost. URLs share the connections.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from functools import partial
from random import randrange
from typing import cast
from urllib.parse import urlsplit

import uvloop

BODIES = 64
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


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
        self._next = randrange(len(requests))
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not answer_is_whole(self._buffer):
            return
        status, self._buffer = self._buffer[9:12], b""
        if status == b"200":
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


def answer_is_whole(data: bytes) -> bool:
    """Whether `data` is an answer with all of its body."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(data, 0, end + 2)
    return len(data) - end - 4 >= (int(length[1]) if length else 0)


def requests_to(url: str, key: str, count: int) -> list[bytes]:
    """Return different requests of `count` events each, ready to be written."""
    bodies = [json.dumps({"batch": events(count, salt)}).encode() for salt in range(BODIES)]
    return [_request(url, key, body) for body in bodies]


def _request(url: str, key: str, body: bytes) -> bytes:
    place = urlsplit(url)
    head = (
        f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nX-Write-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(urls: list[str], key: str, count: int, connections: int, seconds: float) -> dict[str, float]:
    """Load `urls` and return events acknowledged, seconds, failures and latencies in milliseconds."""
    requests = {url: requests_to(url, key, count) for url in urls}
    loop, tally, clients = asyncio.get_running_loop(), list[float](), list[Client]()
    cpu, began = time.process_time(), time.perf_counter()
    for number in range(connections):
        url = urls[number % len(urls)]
        place, client = urlsplit(url), Client(requests[url], began + seconds, tally)
        clients.append(client)
        await loop.create_connection(partial(_same, client), place.hostname or "", place.port or 80)
    await asyncio.gather(*(client.done for client in clients))
    elapsed, tally = time.perf_counter() - began, sorted(tally) or [0.0]
    return {
        "events": len(tally) * count,
        "seconds": elapsed,
        "failed": sum(client.failed for client in clients),
        "p50": 1000 * tally[len(tally) // 2],
        "p99": 1000 * tally[int(len(tally) * 0.99)],
        "cpu": time.process_time() - cpu,
    }


if __name__ == "__main__":
    _, target, write_key, per_request, parallel, duration = sys.argv
    print(json.dumps(uvloop.run(run(target.split(","), write_key, int(per_request), int(parallel), float(duration)))))  # noqa: T201 - the result
