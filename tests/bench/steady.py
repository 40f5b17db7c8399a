"""An open-loop HTTP client: so many requests a second, whether answers come or not, as users send them.

A request that waits for a free connection waits on the clock, so latencies count from when it was due.

`python -m tests.bench.steady URL KEY EVENTS RATE SECONDS` prints {"requests", "failed", "p50", "p99", "max",
"cpu"}, in ms; the first second is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import deque
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop

from tests.bench.load import answer_is_whole, requests_to

CONNECTIONS = 64
WARM_SECONDS = 1.0
LAST_ANSWER_SECONDS = 10.0


class Pool:
    """The connections, those that are free, and the requests that wait for one by when they were due."""

    def __init__(self, requests: list[bytes]) -> None:
        self.requests = requests
        self.free: deque[Connection] = deque()
        self.waiting: deque[float] = deque()
        self.taken: list[tuple[float, float]] = []  # when it was due, and how long it took
        self.failed = 0
        self.sent = 0
        self.total = 0
        self.complete = asyncio.Event()

    def due(self, moment: float) -> None:
        """Send a request, or let it wait."""
        if self.free:
            self.free.popleft().send(moment)  # in turn, or a server would close those that nobody uses
        else:
            self.waiting.append(moment)

    async def all_answered(self, total: int) -> None:
        """Wait for the last of so many answers."""
        self.total = total
        if len(self.taken) < total:
            await self.complete.wait()

    def answered(self, connection: Connection, moment: float, *, good: bool) -> None:
        """Note an answer and use its connection for the next request."""
        self.taken.append((moment, time.perf_counter() - moment))
        self.failed += not good
        if len(self.taken) == self.total:
            self.complete.set()
        if self.waiting:
            connection.send(self.waiting.popleft())
        else:
            self.free.append(connection)


class Connection(asyncio.Protocol):
    """One keep-alive connection of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._buffer = b""
        self._moment = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it
        self._pool.free.append(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if answer_is_whole(self._buffer):
            good, self._buffer = self._buffer[9:12] == b"200", b""
            self._pool.answered(self, self._moment, good=good)

    def send(self, moment: float) -> None:
        self._moment = moment
        self._pool.sent += 1
        self._transport.write(self._pool.requests[self._pool.sent % len(self._pool.requests)])


async def run(url: str, key: str, count: int, rate: float, seconds: float) -> dict[str, float]:
    """Send `rate` requests a second of `count` events each; return latencies in milliseconds."""
    pool = Pool(requests_to(url, key, count))
    place, loop = urlsplit(url), asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(partial(Connection, pool), place.hostname or "", place.port or 80)
    began, number = time.perf_counter(), 0
    total = int((seconds + WARM_SECONDS) * rate)
    while number < total:
        while number < total and began + number / rate <= time.perf_counter():
            pool.due(began + number / rate)
            number += 1
        await asyncio.sleep(0.001)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_ANSWER_SECONDS):
            await pool.all_answered(total)
    took = sorted(took for moment, took in pool.taken if moment >= began + WARM_SECONDS) or [0.0]
    return {
        "requests": len(took),
        "failed": pool.failed + total - len(pool.taken),
        "p50": 1000 * took[len(took) // 2],
        "p99": 1000 * took[int(len(took) * 0.99)],
        "max": 1000 * took[-1],
        "cpu": time.process_time(),
    }


if __name__ == "__main__":
    _, target, write_key, per_request, a_second, duration = sys.argv
    print(json.dumps(uvloop.run(run(target, write_key, int(per_request), float(a_second), float(duration)))))  # noqa: T201 - the result
