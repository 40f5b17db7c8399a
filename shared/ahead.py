"""Reads one batch ahead: while the database works on a batch the next is polled and opened, and never more than one.

What was read ahead under a former assignment is dropped: taking over begins at the stored positions again.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.clock import now
from shared.deadletters import Letter
from shared.kafka import OutOfRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import TypeAlias

    from shared.absorb import Received
    from shared.assignment import Assignment
    from shared.kafka import Place, Polled

    Judge: TypeAlias = Callable[[Polled, datetime], Received | Letter | None]

BATCH_RECORDS = 5000
BREATH_RECORDS = 200  # opened at a stretch: about a millisecond, in which the database's answers wait
IDLE_SECONDS = 0.2


@dataclass(slots=True)
class Batch:
    """Opened records, refusals, and the offsets after them. `began`: when it was asked for."""

    received: list[Received] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)
    newest: dict[Place, float] = field(default_factory=dict)  # when the last record of each place was logged
    began: datetime = field(default_factory=now)

    def open(self, records: Iterable[Polled], judge: Judge) -> None:
        """Add records, each as what `judge` says becomes of it."""
        for record in records:
            place = record.topic, record.partition
            self.offsets[place], self.newest[place] = record.offset + 1, record.timestamp_ms / 1000
            judged = judge(record, self.began)
            if isinstance(judged, Letter):
                self.letters.append(judged)
            elif judged is not None:
                self.received.append(judged)


class ReadAhead:
    """Batches of an assignment in order; `judge` says what becomes of a record (None: nothing of ours)."""

    def __init__(self, assignment: Assignment, judge: Judge) -> None:
        self._assignment = assignment
        self._judge = judge
        self._reading: asyncio.Task[Batch] | None = None
        self._generation = 0

    def begin(self) -> asyncio.Task[Batch]:
        """Begin to read the batch that `next` will return."""
        self._generation = self._assignment.prepared
        self._reading = asyncio.create_task(self._read())
        return self._reading

    async def next(self) -> Batch | None:
        """Return the next batch (without offsets: there was nothing to read), or None where another one is to be read.

        Raises:
            OutOfRange: the stored offset does not exist at the broker.
            BrokerError: the broker is in trouble.

        """
        reading = self._reading or self.begin()
        try:
            batch = await reading
        finally:
            await self.drop()
        current = self._generation == self._assignment.prepared == self._assignment.reader.generation
        if not current:
            return None
        await self._let_overtake(batch)
        return batch

    async def drop(self) -> None:
        """Forget what was read ahead."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    async def _read(self) -> Batch:
        batch = Batch()
        polled = await self._poll()
        for start in range(0, len(polled), BREATH_RECORDS):
            batch.open(polled[start : start + BREATH_RECORDS], self._judge)
            await asyncio.sleep(0)
        return batch

    async def _let_overtake(self, batch: Batch) -> None:
        """Add what has come on live topics since a batch of history was read: it does not wait for the one after."""
        if any(place in batch.offsets for place in self._assignment.history):
            with contextlib.suppress(OutOfRange):  # the next poll raises it again
                batch.open(await self._assignment.reader.poll(self._assignment.live, 0, BATCH_RECORDS), self._judge)

    async def _poll(self) -> list[Polled]:
        """Live topics first; history fills what room they leave, so that it never delays them."""
        assignment = self._assignment
        polled = await assignment.reader.poll(assignment.live, 0, BATCH_RECORDS)
        room = BATCH_RECORDS - len(polled)
        if room:
            try:
                polled += await assignment.reader.poll(assignment.history, 0, room)
            except OutOfRange:
                if not polled:  # else it is raised again by the next poll; raising now would lose what was polled
                    raise
        return polled or await assignment.reader.poll(assignment.places, IDLE_SECONDS, BATCH_RECORDS)
