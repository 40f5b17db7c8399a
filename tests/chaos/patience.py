"""Waiting for something that other processes bring about."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def until(look: Callable[[], Awaitable[object]], seconds: float, every: float = 0.02) -> bool:
    """Return whether `look` found something within so many seconds."""
    ends = time.monotonic() + seconds
    while not await look():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(every)
    return True


async def when(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether something came true within so many seconds."""

    async def look() -> bool:
        return condition()

    return await until(look, seconds, 0.005)
