"""Telling a server that is slow from one that is gone: it is asked for a sign of life, again and again.

A connection into nowhere never fails by itself, and how long an honest answer may take nobody can say in general. So
not the answer has a deadline here, but the server: silent for `SILENT_SECONDS`, it is away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Ask = Callable[[], Awaitable[Any]]

SILENT_SECONDS: Final = 3.0
SLICE_SECONDS: Final = 0.5
REST_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 60.0


class Silent(ConnectionError):
    """The other side has given no sign of life for too long."""


async def until_silent(ask: Ask) -> None:
    """Return when `ask` has not been answered for `SILENT_SECONDS`, be it by silence or by errors."""
    asking: asyncio.Task[Any] | None = None
    silent = 0.0
    try:
        # Counted in slices: a loop that was blocked, or a process that was stopped, has waited for one of them only.
        while silent < SILENT_SECONDS:
            asking = asking or asyncio.ensure_future(_asked(ask))
            done, _ = await asyncio.wait({asking}, timeout=SLICE_SECONDS)
            answered = bool(done) and asking.result()
            silent = 0.0 if answered else silent + SLICE_SECONDS
            if done:
                asking = None
                await asyncio.sleep(REST_SECONDS if answered else SLICE_SECONDS)
    finally:
        if asking:
            asking.cancel()


async def until_answered(ask: Ask, every: float) -> None:
    """Return when `ask` is answered. It is asked `every` so many seconds, also while earlier ones are still waiting."""
    answered = asyncio.Event()
    asking: set[asyncio.Task[None]] = set()

    async def once() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENT_SECONDS):
                if await _asked(ask):
                    answered.set()

    try:
        while not answered.is_set():
            task = asyncio.create_task(once())
            asking.add(task)
            task.add_done_callback(asking.discard)
            with suppress(TimeoutError):
                await asyncio.wait_for(answered.wait(), every)
    finally:
        for each in asking:
            each.cancel()


@asynccontextmanager
async def while_it_answers(ask: Ask) -> AsyncIterator[None]:
    """Run the block; break it off once `ask` has got no answer for `SILENT_SECONDS`.

    Raises:
        Silent: that was the case.

    """
    try:
        async with asyncio.timeout(None) as limit:

            async def watch() -> None:
                await until_silent(ask)
                limit.reschedule(0)

            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
    except TimeoutError as error:
        if limit.expired():
            raise Silent(f"No sign of life for {SILENT_SECONDS:.0f} s.") from error
        raise


def stuck(beat: float) -> str | None:
    """Say so when a loop, which notes the (monotonic) time at each of its rounds, has made none for a minute."""
    silent = time.monotonic() - beat
    return f"no progress for {silent:.0f} s" if silent > STUCK_SECONDS else None


async def _asked(ask: Ask) -> bool:
    try:
        await ask()
    except Exception:  # noqa: BLE001 - whatever it is, it is no sign of life
        return False
    return True
