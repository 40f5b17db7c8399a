"""Reads ahead: while the database works on a batch the next is polled and opened; live events overtake history.

What was read ahead under a former assignment is dropped: taking over begins at the stored positions again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.assignment import HISTORY_TOPIC
from shared.clock import now
from shared.deadletters import Letter
from shared.kafka import OutOfRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
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

    @property
    def size(self) -> int:
        """How many records are to be absorbed or refused."""
        return len(self.received) + len(self.letters)

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
    """Batches of an assignment in order; `judge` says what becomes of a record (None: nothing of ours).

    Live events and history are never in one batch. History that is read already waits while live events that came
    after it are absorbed, once for each batch of it.
    """

    def __init__(self, assignment: Assignment, judge: Judge) -> None:
        self._assignment = assignment
        self._judge = judge
        self._reading: asyncio.Task[tuple[Batch, Batch]] | None = None
        self._waiting: Batch | None = None  # history whose turn is next
        self._trouble: OutOfRange | None = None  # to be raised when what was read before it has been returned

    async def settle(self) -> bool:
        """Claim and seek after a change of assignment; return whether there is anything to read.

        Nothing is read on over it: that would move on from where was sought, and be dropped.
        """
        if not self._is_settled():
            await self.drop()
        return await self._assignment.settle()

    def begin(self) -> None:
        """Begin to read what `next` will return, unless that is under way, or something is in the way."""
        if self._trouble is None:
            self._begin()

    async def next(self) -> Batch | None:
        """Return the next batch (without offsets: there was nothing to read), or None where another one is to be read.

        Raises:
            OutOfRange: the stored offset does not exist at the broker.
            BrokerError: the broker is in trouble.

        """
        if self._waiting is not None:
            history, self._waiting = self._waiting, None
            return history if self._is_settled() else None
        live, history = await self._read_already()
        if not self._is_settled():
            return None
        if not history.offsets:
            return live
        await self._look_again(live)
        if not live.offsets:
            return history
        self._waiting = history
        return live

    async def drop(self) -> None:
        """Forget what was read ahead."""
        self._waiting = self._trouble = None
        await self._end_reading()

    def _is_settled(self) -> bool:
        return self._assignment.prepared == self._assignment.reader.generation

    async def _read_already(self) -> tuple[Batch, Batch]:
        """Return live events and history; raise what was in the way once all that was read before it is returned."""
        if self._reading is None and self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        try:
            return await self._begin()
        finally:
            await self._end_reading()

    def _begin(self) -> asyncio.Task[tuple[Batch, Batch]]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    async def _look_again(self, live: Batch) -> None:
        """Add the live events that came since `live` was read."""
        assignment = self._assignment
        try:
            polled = await assignment.reader.poll(assignment.live, 0, BATCH_RECORDS - live.size)
        except OutOfRange as error:
            self._trouble = error
        else:
            await self._open(live, polled)

    async def _read(self) -> tuple[Batch, Batch]:
        live, history = Batch(), Batch()
        polled = await self._poll()
        await self._open(live, [each for each in polled if each.topic != HISTORY_TOPIC])
        await self._open(history, [each for each in polled if each.topic == HISTORY_TOPIC])
        return live, history

    async def _open(self, batch: Batch, polled: Sequence[Polled]) -> None:
        for start in range(0, len(polled), BREATH_RECORDS):
            batch.open(polled[start : start + BREATH_RECORDS], self._judge)
            await asyncio.sleep(0)

    async def _poll(self) -> list[Polled]:
        """Live topics first; history fills what room they leave."""
        assignment = self._assignment
        polled = await assignment.reader.poll(assignment.live, 0, BATCH_RECORDS)
        room = BATCH_RECORDS - len(polled)
        if room:
            try:
                polled += await assignment.reader.poll(assignment.history, 0, room)
            except OutOfRange as error:
                if not polled:
                    raise
                self._trouble = error  # raising it now would lose what was polled, and the client says it once
        return polled or await assignment.reader.poll(assignment.places, IDLE_SECONDS, BATCH_RECORDS)
