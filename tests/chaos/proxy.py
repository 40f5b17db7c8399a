"""A TCP proxy on loopback between clients and one server, in a thread of its own, that breaks the way at command.

`with Proxy(target) as proxy:` listens on `proxy.port` and forwards to `target`. Every command is in force when its call
returns. A swallowed connection stays swallowed: as behind a firewall that forgot it, it never ends and nothing comes
through, also after `heal`, which is for new connections.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from deploy.local.ports import HOST
from tests.chaos.patience import until
from tests.chaos.wire import Talk

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

CHUNK = 256 * 1024
RESET = struct.pack("ii", 1, 0)  # linger for no time: closing answers the peer with RST
PATIENCE = 10.0
BREATH_SECONDS = 0.05
LOOK_SECONDS = 0.0005


@dataclass(eq=False, slots=True)
class Link:
    """One connection through the proxy: the client's side, and the server's where there is one."""

    sides: list[asyncio.StreamWriter]
    swallowed: bool
    talk: Talk = field(default_factory=Talk)


class Proxy:
    """Forwards whatever comes to `port` to `target`, until it is told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._seconds = 0.0
        self._swallows = False
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = _bound(0)  # keeps the port while nobody listens on it
        self.port = int(self._held.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{target}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        self._held.close()

    @property
    def open(self) -> int:
        """How many connections there are now, swallowed ones included."""
        return len(self._links)

    def cut(self) -> int:
        """Reset every connection; new ones are welcome. Return how many there were."""
        return self._do(self._cut())

    @property
    def producing(self) -> int:
        """How many Produce requests have gone to the server, a Kafka broker, and are not answered."""
        return sum(len(link.talk.producing) for link in list(self._links))

    def cut_producing(self, seconds: float) -> tuple[int, int]:
        """Do the same at a moment at which Produce requests are under way; return how many of them there were, too.

        If there is no such moment within so many seconds, there are none, and all is cut nevertheless.
        """
        return self._do(self._cut_producing(seconds), seconds + PATIENCE)

    def refuse(self) -> None:
        """Listen no more. Connections that exist go on."""
        self._do(self._deafen())

    def swallow(self) -> int:
        """Let nothing through any more, on old and on new connections; close none. Return how many there were."""
        return self._do(self._swallow())

    def delay(self, seconds: float) -> None:
        """Hold up everything that is read, each way, for so long."""
        self._seconds = seconds

    def heal(self) -> None:
        """Take new connections, and forward what they say without delay."""
        self._seconds, self._swallows = 0.0, False
        self._do(self._listen())

    def _do(self, work: Coroutine[None, None, T], seconds: float = PATIENCE) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=_bound(self.port), backlog=1024)

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _swallow(self) -> int:
        self._swallows = True
        for link in self._links:
            link.swallowed = True
        return len(self._links)

    async def _cut(self) -> int:
        count = len(self._links)
        for link in list(self._links):
            for side in link.sides:
                _reset(side)
        return count

    async def _cut_producing(self, seconds: float) -> tuple[int, int]:
        async def look() -> int:
            return self.producing

        await until(look, seconds, LOOK_SECONDS)
        producing = self.producing
        return await self._cut(), producing

    async def _end(self) -> None:
        await self._deafen()
        await asyncio.sleep(BREATH_SECONDS)  # whoever was let in last has begun
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(BREATH_SECONDS)  # what was aborted is closed

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = Link([writer], self._swallows)
        self._links.add(link)
        try:
            await self._forward(link, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # broken by a peer, or by us
        finally:
            for side in link.sides:
                side.transport.abort()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _forward(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if link.swallowed:
            while await reader.read(CHUNK):
                pass
            return
        connecting = asyncio.ensure_future(asyncio.open_connection(HOST, self._target))
        try:
            behind, server = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            _, server = await connecting  # at once, on this machine; given up half-way, nobody would ever close it
            link.sides.append(server)
            raise
        link.sides.append(server)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(link, reader, server, link.talk.ask))
            both.create_task(self._pump(link, behind, writer, link.talk.answer))

    async def _pump(
        self, link: Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, note: Callable[[bytes], None]
    ) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                await asyncio.sleep(self._seconds)
                if not link.swallowed:
                    note(data)
                    sink.write(data)
                    await sink.drain()
            if not link.swallowed:
                sink.write_eof()
            return
        for side in link.sides:  # one way is broken, so the other is, too
            _reset(side)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    return bound


def _reset(side: asyncio.StreamWriter) -> None:
    wire = side.get_extra_info("socket")
    with suppress(OSError):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    side.transport.abort()
