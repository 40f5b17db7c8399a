"""What a consuming service gives the runtime: an absorber (facts in) and an evaluator (decisions out)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.errors import BadEvent
    from shared.events import Event


class Urgency(IntEnum):
    """How soon an account must be looked at after a fact arrived."""

    GRAVE = 0  # at once
    USAGE = 1  # within two seconds, then at most once per `usage_pause` and account
    HISTORY = 2  # within a minute


class Received(msgspec.Struct, frozen=True, gc=False):
    """One event with the place it was read from and its untouched bytes. Made for every record: cheap to make."""

    event: Event
    topic: str
    partition: int
    offset: int
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Due:
    """An account that a batch touched."""

    account_id: str
    partition: int
    urgency: Urgency


@dataclass(frozen=True, slots=True)
class DueAccount:
    """An account whose evaluation is due, with the partition that owns it."""

    account_id: str
    partition: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation decided: events to send, and when time alone may change the answer (None: never)."""

    account_id: str
    next_look: datetime | None = None
    emit: tuple[Event, ...] = ()


class Absorber(Protocol):
    """Writes facts. Decides nothing, never commits, never sees an event twice."""

    topics: tuple[str, ...]
    types: frozenset[str]

    def refuse(self, received: Received) -> BadEvent | None:
        """Return why this service cannot count the event (it becomes a dead letter), or None. Pure."""
        ...

    async def absorb(self, conn: AsyncConnection, received: Sequence[Received]) -> Sequence[Due]:
        """Write the facts of a batch in bulk, inside the caller's transaction; return the accounts it touched."""
        ...


class Evaluator(Protocol):
    """Decides, from facts alone, inside the caller's transaction."""

    async def evaluate(
        self, conn: AsyncConnection, accounts: Sequence[DueAccount], now: datetime
    ) -> Sequence[Evaluated]:
        """Load the accounts' facts, call pure functions, write state; return what to emit, one entry an account."""
        ...


class Log(Protocol):
    """Where records are read from, live topics or the archive, and what it is told of progress."""

    @property
    def cluster(self) -> str:
        """Return whose offsets these are."""
        ...

    def now(self) -> datetime:
        """Return the moment at which the records are learned of."""
        ...

    def moved(self, offsets: Mapping[tuple[str, int], int], newest: Mapping[tuple[str, int], float]) -> None:
        """Note positions that have been stored."""
        ...

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Tell others how far we are."""
        ...
