"""The outbox: outgoing events are written in the transaction that decided them; a relay publishes and removes them.

A row that exists has not been acknowledged; there is no cursor to overtake a late commit. Rows of one account are sent
in the order they were written, by the replica that holds the partition's lease.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from shared.db import Database, execute, fetch
from shared.errors import LeaseLost, NotReady
from shared.events import Event, encode_event, topic_of
from shared.kafka import MIB, Record
from shared.observability import RELAYED
from shared.trouble import is_world_trouble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.leases import Leases
    from shared.produce import Publisher

BATCH = 500
BATCH_BYTES = 4 * MIB
NULL = "null"
"""A header of this name says which part, `key` or `value`, is null: the table has an empty one instead."""
IDLE_SECONDS = 0.25
TROUBLE_SECONDS = 1.0


async def emit(conn: AsyncConnection, events: Sequence[tuple[Event, int]], now: datetime) -> None:
    """Add events, each with its account's partition number, to the outbox of the caller's transaction."""
    if not events:
        return
    headers = [msgspec.json.encode([("traceparent", e.traceparent)] if e.traceparent else []) for e, _ in events]
    await execute(
        conn,
        """insert into outbox (partition, topic, key, value, headers, created_at)
           select p, t, k, v, h::jsonb, $6
           from unnest($1::int[], $2::text[], $3::bytea[], $4::bytea[], $5::text[]) with ordinality
                as r(p, t, k, v, h, n) order by n""",
        [partition for _, partition in events],
        [topic_of(event.type) for event, _ in events],
        [event.subject.encode() for event, _ in events],
        [encode_event(event) for event, _ in events],
        [each.decode() for each in headers],
        now,
    )


class Relay:
    """Publishes the outbox rows of the partitions this replica owns."""

    def __init__(self, database: Database, leases: Leases, publisher: Publisher) -> None:
        self._database = database
        self._leases = leases
        self._publisher = publisher
        self._acknowledged: dict[int, Record] = {}  # by id: what could not be removed yet is not sent again
        self._most = BATCH  # fewer while a broker is too slow for so many within its deadline
        self.wake = asyncio.Event()
        self.beat = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until told to stop; broker and database troubles are waited out."""
        while not stop.is_set():
            self.beat = time.monotonic()
            try:
                sent = await self.relay_once()
            except LeaseLost:
                sent = 0
            except NotReady:
                sent, self._most = 0, max(1, self._most // 2)
            except Exception as error:
                if not is_world_trouble(error):
                    raise
                sent = 0
                await asyncio.sleep(TROUBLE_SECONDS)
            if not sent:
                await _either(self.wake, IDLE_SECONDS)
                self.wake.clear()

    async def relay_once(self) -> int:
        """Publish one batch, then remove it; return how many rows that were."""
        held = self._leases.held
        if not held:
            return 0
        async with self._database.snapshot() as conn:
            rows = await fetch(
                conn,
                """select id, partition, topic, key, value, headers from (
                       select *, sum(octet_length(value)) over (order by id) - octet_length(value) as before
                       from (select * from outbox where partition = any($1) order by id limit $2) as next
                   ) as measured where before < $3 order by id""",
                list(held),
                self._most,
                BATCH_BYTES,
            )
        if not rows:
            return 0
        records = {row.id: _record(row.topic, row.key, row.value, row.headers) for row in rows}
        await self._publisher.publish([each for id_, each in records.items() if self._acknowledged.get(id_) != each])
        self._acknowledged = records
        async with self._database.transaction() as conn:
            await self._leases.check(conn, {row.partition for row in rows})
            await execute(conn, "delete from outbox where id = any($1::bigint[])", [row.id for row in rows])
        self._acknowledged, self._most = {}, min(BATCH, 2 * self._most)
        for row in rows:
            RELAYED.labels(row.topic).inc()
        return len(rows)


def _record(topic: str, key: bytes, value: bytes, headers: str) -> Record:
    pairs = [(name, text.encode()) for name, text in msgspec.json.decode(headers)]
    absent = {text for name, text in pairs if name == NULL}
    return Record(topic, None if b"key" in absent else bytes(key), None if b"value" in absent else bytes(value), pairs)


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
