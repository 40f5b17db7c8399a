"""Reads ahead: while the database works on a batch the next is polled and opened; live events overtake history.

What was read ahead under a former assignment is dropped: taking over begins at the stored positions again.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.assignment import HISTORY_TOPIC
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
    """Batches of an assignment in order; `judge` says what becomes of a record (None: nothing of ours).

    Live events and history are never in one batch. History that is read already waits while live events that came
    after it are absorbed, once for each batch of it.
    """

    def __init__(self, assignment: Assignment, judge: Judge) -> None:
        self._assignment = assignment
        self._judge = judge
        self._reading: asyncio.Task[tuple[Batch, Batch]] | None = None
        self._generation = 0  # of what is being read
        self._waiting: tuple[int, Batch] | None = None  # history whose turn is next, and the generation it is of

    def begin(self) -> asyncio.Task[tuple[Batch, Batch]]:
        """Begin to read what `next` will return."""
        if self._reading is None:
            self._generation = self._assignment.prepared
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def next(self) -> Batch | None:
        """Return the next batch (without offsets: there was nothing to read), or None where another one is to be read.

        Raises:
            OutOfRange: the stored offset does not exist at the broker.
            BrokerError: the broker is in trouble.

        """
        if self._waiting is not None:
            (generation, history), self._waiting = self._waiting, None
            return history if self._is_current(generation) else None
        try:
            live, history = await self.begin()
        except BaseException:
            await self.drop()
            raise
        self._reading = None
        if not self._is_current(self._generation):
            return None
        if not history.offsets:
            return live
        with contextlib.suppress(OutOfRange):  # the next poll raises it again
            live.open(await self._assignment.reader.poll(self._assignment.live, 0, BATCH_RECORDS), self._judge)
        if not live.offsets:
            return history
        self._waiting = self._generation, history
        return live

    async def drop(self) -> None:
        """Forget what was read ahead."""
        self._waiting = None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    def _is_current(self, generation: int) -> bool:
        return generation == self._assignment.prepared == self._assignment.reader.generation

    async def _read(self) -> tuple[Batch, Batch]:
        live, history = Batch(), Batch()
        polled = await self._poll()
        for start in range(0, len(polled), BREATH_RECORDS):
            part = polled[start : start + BREATH_RECORDS]
            live.open((each for each in part if each.topic != HISTORY_TOPIC), self._judge)
            history.open((each for each in part if each.topic == HISTORY_TOPIC), self._judge)
            await asyncio.sleep(0)
        return live, history

    async def _poll(self) -> list[Polled]:
        """Live topics first; history fills what room they leave."""
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
