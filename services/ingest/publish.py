"""Owns the way of a request's events: read, settle who belongs where, publish, answer; the answer means durable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from prometheus_client import Counter

from services.ingest import items, parked_store, person_store, store
from services.ingest.aliases import join_persons, tell_aliases
from services.ingest.origin import Answer, Origin
from services.ingest.plain import shortcut
from services.ingest.work import Work
from shared.errors import BadEvent, NotReady
from shared.events import encode_event
from shared.observability import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.ingest.items import Item
    from shared.db import Database
    from shared.kafka import Record
    from shared.produce import Publisher

log = structlog.get_logger()

DEADLINE_SECONDS: Final = 4.8
EVENTS: Final = Counter("kizuna_ingest_events_total", "Events by what became of them", ["outcome"], registry=REGISTRY)
for _outcome in ("accepted", "parked", "refused", "turned_away"):
    EVENTS.labels(_outcome)  # there from the start: what appears with its first count shows no increase
ACCEPTED: Final = EVENTS.labels("accepted")
TURNED_AWAY: Final = EVENTS.labels("turned_away")


class Intake:
    """Takes events in. `wake` is told whose events may have got an account by a request."""

    def __init__(
        self, database: Database, publisher: Publisher, parked_most: int, wake: Callable[[Iterable[str]], None]
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._parked_most = parked_most
        self._wake = wake

    async def take(self, origin: Origin, raws: Sequence[bytes], known: datetime) -> Answer:
        """Take events in and return what became of each, once all of that is durable.

        Raises:
            NotReady: within 5 s, when broker or database do not answer. Some of it may have been stored; the same again
                does no harm.

        """
        plain = shortcut(origin, known, raws)
        records = [each for each in plain if each is not None]
        try:
            if len(records) == len(raws):
                return await self._take_plain(records)
            return await self._take_any(origin, raws, known, plain)
        except NotReady as error:
            error.events = len(raws)
            raise

    async def _take_any(
        self, origin: Origin, raws: Sequence[bytes], known: datetime, plain: Sequence[Record | None]
    ) -> Answer:
        work = Work(origin, known)
        work.read_all(raws, plain)
        joined = work.joined
        if not (joined or work.unknown or work.aliases or work.refused):
            await self._publish(work)  # which has a deadline of its own
            return work.answer(len(raws))
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await store.transact(self._database, lambda conn: self._settle(conn, work, joined))
                await self._publish(work)
        except TimeoutError:
            raise NotReady("The events could not be stored in time. Send again.", code="not_persisted") from None
        self._tell(work, joined)
        return work.answer(len(raws))

    async def _take_plain(self, records: Sequence[Record]) -> Answer:
        if records:
            await self._publisher.publish(records)
        ACCEPTED.inc(len(records))
        return Answer(success=True, received=len(records), accepted=len(records), parked=0, rejected=[])

    async def _publish(self, work: Work) -> None:
        records = [*work.records, *work.extra.values()]
        if records:
            await self._publisher.publish(records)
        ACCEPTED.inc(len(work.records) + len(work.aliases))

    async def _settle(self, conn: AsyncConnection, work: Work, joined: Sequence[person_store.Membership]) -> None:
        """Write and look up what needs the database; group and alias calls first, they count for their neighbours."""
        if joined:
            await person_store.remember(conn, joined)
        if work.aliases:
            await join_persons(conn, work)
        if joined or work.aliases:
            await tell_aliases(conn, work, joined)
        if work.unknown:
            await self._find_accounts(conn, work)
        if work.refused:
            letters = [items.letter(why, raw, work.origin) for why, raw in work.refused]
            await store.refuse(conn, letters, work.known)

    async def _find_accounts(self, conn: AsyncConnection, work: Work) -> None:
        found = await person_store.accounts(conn, [(each.person_id or "", each.event.time) for each in work.unknown])
        lost = []
        for item, account in zip(work.unknown, found, strict=True):
            if account is None:
                lost.append(item)
            else:
                work.send(_with_account(item, account))
        if lost:
            parked = await parked_store.park(
                conn, [items.waiting(each) for each in lost], work.known, self._parked_most
            )
            for item, waits in zip(lost, parked, strict=True):
                if waits:
                    work.parked.append(item)
                else:
                    work.refuse(item.index, item.raw, _full(self._parked_most))

    def _tell(self, work: Work, joined: Sequence[person_store.Membership]) -> None:
        # Of those who were parked, too: their group call may have come in between by another connection.
        waiting = [*work.aliases, *work.parked]
        persons = {each.person_id for each in joined} | {each.person_id for each in waiting if each.person_id}
        if persons:
            self._wake(persons)
        EVENTS.labels("parked").inc(len(work.parked))
        EVENTS.labels("refused").inc(len(work.refused))
        if work.refused:
            first = work.refused[0][0]
            log.info(
                "events_refused",
                source=work.origin.source,
                route=work.origin.route,
                count=len(work.refused),
                event_id=first.id,
                code=first.code,
            )


def _with_account(item: Item, account: str) -> Item:
    event = msgspec.structs.replace(item.event, subject=account)
    return items.Item(item.index, item.raw, event, encode_event(event), item.call, account, item.person_id)


def _full(most: int) -> BadEvent:
    return BadEvent(
        "parked_full",
        f"{most} events wait for the account of their person already: send group calls, or context.groupId",
    )
