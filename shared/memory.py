"""What a service has said before: a schema that is built anew must know it, or all would be said a second time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.db import Database
    from shared.events import Event


async def _nothing(conn: AsyncConnection, said: Sequence[Event]) -> None:
    del conn, said


async def _nobody(database: Database, now: datetime) -> None:
    del database, now


@dataclass(frozen=True, slots=True)
class Memory:
    """How a service is told what it said.

    `topics` are those that it writes. `recall` takes its own events back, in order and each once, and stores what it
    must know of them. `conclude` runs when all facts are there, before the first evaluation.
    """

    topics: tuple[str, ...] = ()
    recall: Callable[[AsyncConnection, Sequence[Event]], Awaitable[None]] = _nothing
    conclude: Callable[[Database, datetime], Awaitable[None]] = _nobody
