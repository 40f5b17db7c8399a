"""The life of a process: parts that run side by side in one task group, our own signal handling, a bounded farewell.

SIGTERM or SIGINT: every part is told to stop, has `FAREWELL_SECONDS` to drain, and the process exits 0. A part that
crashes takes the process down with exit code 1, so that whoever supervises it notices. So do a loop that is stuck and a
farewell that takes longer than `LAST_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
import uvloop

from shared.onewrite import OneWriteProtocol
from shared.watchdog import EXIT_CODE, Watchdog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence

log = structlog.get_logger()

FAREWELL_SECONDS = 8.0
HTTP_FAREWELL_SECONDS = 4
LAST_SECONDS = 9.5


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs until `stop` is set. Returning earlier, or raising, ends the process."""

    name: str
    run: Callable[[asyncio.Event], Awaitable[None]]


async def serve(parts: Sequence[Part], farewell: Callable[[], Awaitable[None]] | None = None) -> int:
    """Run all parts until a signal or a crash, then `farewell`; return the exit code (0 after a signal, 1 a crash)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    tasks = {asyncio.create_task(_guarded(part, stop), name=part.name) for part in parts}
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
    crashed = not stop.is_set()
    stop.set()
    with _last_resort(tasks):
        results = await _drained(tasks)
        if farewell:
            await farewell()
    failed = [each for each in results if isinstance(each, BaseException) and not _is_cut(each)]
    return 1 if crashed or failed else 0


async def _drained(tasks: set[asyncio.Task[None]]) -> list[BaseException | None]:
    _, late = await asyncio.wait(tasks, timeout=FAREWELL_SECONDS)
    for task in late:
        log.warning("part_cut_off", part=task.get_name())
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def _last_resort(tasks: set[asyncio.Task[None]]) -> Iterator[None]:
    """End the process the hard way when the block takes too long: what was promised holds, whatever hangs."""

    def end() -> None:
        log.critical("farewell_cut_off", parts=sorted(task.get_name() for task in tasks if not task.done()))
        os._exit(EXIT_CODE)

    timer = threading.Timer(LAST_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_cut(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError)


async def _guarded(part: Part, stop: asyncio.Event) -> None:
    try:
        await part.run(stop)
    except asyncio.CancelledError:
        raise
    except SystemExit as error:  # a start-up check that names its remedy
        log.error("part_refused", part=part.name, reason=str(error))  # noqa: TRY400 - the reason says it all
        raise RuntimeError(str(error)) from error
    except Exception:  # raised again: it is named here, then the process ends
        log.exception("part_crashed", part=part.name)
        raise
    if not stop.is_set():
        log.error("part_ended", part=part.name)


def http_part(app: Any, host: str, port: int, variable: str) -> Part:
    """Return the HTTP server as a part. `variable` names the setting that moves the port when it is taken."""
    listening = _listen(host, port, variable)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=HTTP_FAREWELL_SECONDS,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=30,
        http=OneWriteProtocol,
        proxy_headers=False,  # nobody asks who is behind a proxy
    )

    async def run(stop: asyncio.Event) -> None:
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.should_exit = True
        await serving

    return Part("http", run)


def _listen(host: str, port: int, variable: str) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SystemExit(
            f"Port {port} on {host} cannot be used ({error.strerror}). Set {variable} to move it."
        ) from None
    listening.listen(2048)
    return listening


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: they would end the process before the other parts have drained."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_process(main: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """Run the process on uvloop, watched, and exit with its code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        Watchdog(runner.get_loop()).start()
        sys.exit(runner.run(main()))
