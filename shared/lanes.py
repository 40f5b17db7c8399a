"""Owns what waits to be published: parcels, one for each `publish`, cut into parts that lie in lanes, one a place."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.kafka_producer import BATCH_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from shared.kafka import Record

RECORD_OVERHEAD = 100


def size_of(records: Sequence[Record]) -> int:
    """Return about how many bytes of memory records take."""
    return sum([len(each.value or b"") for each in records]) + RECORD_OVERHEAD * len(records)


@dataclass(slots=True)
class Parcel:
    """The records of one `publish`: done when all of its parts are acknowledged, or the first one fails."""

    done: asyncio.Future[None]
    left: int = 0

    def settle(self, error: BaseException | None) -> None:
        """Note that a part of it is acknowledged, or why it is not."""
        self.left -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif self.left == 0:
            self.done.set_result(None)


@dataclass(slots=True)
class Part:
    """What of a parcel goes to one lane."""

    parcel: Parcel
    records: list[Record] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True, eq=False)
class Lane:
    """What waits for a partition, and the task that sends some of it now. `broker` led it when the lane was opened."""

    topic: str
    partition: int
    broker: int
    queue: deque[Part] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None

    def load(self) -> list[Part]:
        """Take from the queue what makes one batch."""
        parts: list[Part] = []
        size = 0
        while self.queue and (not parts or size + self.queue[0].size <= BATCH_BYTES):
            part = self.queue.popleft()
            if not part.parcel.done.done():  # nobody waits for one that is done: its request has ended
                parts.append(part)
                size += part.size
        return parts
