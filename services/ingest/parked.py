"""Owns the events that wait for their account: let go when it is known, given up when they waited too long.

Publishing comes before forgetting, so a crash in between repeats an event with the same id and loses none.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from services.ingest import items, parked_store, store
from services.ingest.origin import PARKED, Origin, Refusal, traceparent
from shared.clock import now
from shared.errors import BadEvent, NotReady

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.ingest.settings import Settings
    from shared.db import Database
    from shared.produce import Publisher

log = structlog.get_logger()

SWEEP_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 1.0

_FIRST: Final = (datetime.min.replace(tzinfo=UTC), "", "")


@dataclass(slots=True)
class Waiting:
    """Lets parked events go as soon as `wake` names their persons, and looks over all of them every `SWEEP_SECONDS`."""

    database: Database
    publisher: Publisher
    settings: Settings
    _persons: set[str] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    beat: float = field(default_factory=time.monotonic)

    def wake(self, persons: Iterable[str]) -> None:
        """Say whose account may be known now."""
        self._persons.update(persons)
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`. Trouble with broker or database is waited out."""
        stopping = asyncio.create_task(stop.wait())
        swept = -SWEEP_SECONDS
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            self.beat = time.monotonic()
            persons, self._persons = self._persons, set()
            self._woken.clear()
            try:
                if loop.time() - swept >= SWEEP_SECONDS:
                    swept = loop.time()  # also when it fails: then those who woke us have their turn before the next
                    await self._sweep()
                elif persons:
                    await self._release(sorted(persons))
            except NotReady as error:
                log.warning("parked_events_wait_on", error=error.message)
                self._persons |= persons
                await _first(stopping, PAUSE_SECONDS)
                self._woken.set()
            await self._rest(stopping, swept + SWEEP_SECONDS - loop.time())

    async def _rest(self, stopping: asyncio.Task[Any], seconds: float) -> None:
        woken = asyncio.create_task(self._woken.wait())
        await asyncio.wait({stopping, woken}, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    async def _sweep(self) -> None:
        """Do every part, whatever becomes of the others. Raises the trouble that one of them had."""
        trouble: NotReady | None = None
        for part in (self._look_over, self._expire, self._prune):
            self.beat = time.monotonic()
            try:
                await part()
            except NotReady as error:
                trouble = error
        if trouble:
            raise trouble

    async def _look_over(self) -> None:
        after = ("", "")
        while rows := await store.transact(self.database, partial(parked_store.known, after=after)):
            self.beat = time.monotonic()
            after = (rows[-1].source, rows[-1].event_id)
            if persons := {row.person_id for row in rows if row.known}:
                await self._release(sorted(persons))

    async def _expire(self) -> None:
        before = now() - timedelta(days=self.settings.parked_days)
        while rows := await store.transact(self.database, partial(parked_store.expired, before=before)):
            self.beat = time.monotonic()
            give_up = partial(_give_up, rows=rows, error=_too_old(self.settings.parked_days))
            await store.transact(self.database, give_up)

    async def _prune(self) -> None:
        old = now() - timedelta(days=self.settings.dead_letter_days)
        await store.transact(self.database, lambda conn: store.prune(conn, old, self.settings.dead_letters_most))

    async def _release(self, persons: Sequence[str]) -> None:
        after = _FIRST
        while rows := await store.transact(self.database, partial(parked_store.waiting, persons=persons, after=after)):
            self.beat = time.monotonic()
            after = (rows[-1].at, rows[-1].source, rows[-1].event_id)
            if known := [row for row in rows if row.account_id is not None]:
                await self._let_go(known)

    async def _let_go(self, rows: Sequence[Row[Any]]) -> None:
        records, bad = [], []
        for row in rows:
            try:
                records.append(items.record(*items.addressed(bytes(row.event), row.account_id, now())))
            except BadEvent as error:
                bad.append((row, error))
        await self.publisher.publish(records)
        keys = [(row.source, row.event_id) for row in rows]
        await store.transact(self.database, partial(parked_store.unpark, keys=keys))
        for row, reason in bad:
            await store.transact(self.database, partial(_give_up, rows=[row], error=reason))
        log.info("parked_events_released", count=len(records))


async def _first(stopping: asyncio.Task[Any], seconds: float) -> None:
    await asyncio.wait({stopping}, timeout=seconds)


async def _give_up(conn: AsyncConnection, rows: Sequence[Row[Any]], error: BadEvent) -> None:
    moment = now()
    letters = []
    for row in rows:
        origin = Origin(PARKED, row.source, moment, traceparent(None))
        letters.append(items.letter(Refusal(0, row.event_id, error.code, error.message), bytes(row.event), origin))
    await store.refuse(conn, letters, moment)
    await parked_store.unpark(conn, [(row.source, row.event_id) for row in rows])


def _too_old(days: int) -> BadEvent:
    return BadEvent("parked_expired", f"its person had no account for {days} days: send a group call, then replay")
