"""Dead letters: records that a service refuses, kept untouched with the reason and the place, listed and replayed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from shared.db import execute, fetch, fetch_one
from shared.observability import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.errors import BadEvent
    from shared.kafka import Polled

SHOWN_BYTES = 2000
RECEIPT_FIELD = re.compile(rb'"recordedtime"\s*:\s*"[^"]*"')


@dataclass(frozen=True, slots=True)
class Letter:
    """One refused record. `account_id`, `event_id` and `source` where they could be read."""

    record: Polled
    error: BadEvent
    event_id: str | None = None
    source: str | None = None
    account_id: str | None = None

    def place(self, cluster: str) -> str:
        """Return what identifies the record for ever: the same place again is the same letter."""
        return f"{cluster}/{self.record.topic}/{self.record.partition}/{self.record.offset}"


async def write(conn: AsyncConnection, service: str, cluster: str, letters: Sequence[Letter], now: datetime) -> None:
    """Store letters and hand them to the outbox for `<topic>.<service>.dlq`, each place once."""
    for letter in letters:
        record, error = letter.record, letter.error
        written = await execute(
            conn,
            """insert into dead_letter (place, topic, partition, record_offset, event_id, source, account_id,
                                        code, message, record_key, record_value, refused_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (place) do nothing""",
            letter.place(cluster),
            record.topic,
            record.partition,
            record.offset,
            _text(letter.event_id),
            _text(letter.source),
            _text(letter.account_id),
            error.code,
            _text(error.message),
            record.key,
            record.value,
            now,
        )
        if written:
            DEAD_LETTERS.labels(error.code).inc()
            await _to_outbox(conn, service, cluster, letter, now)


async def _to_outbox(conn: AsyncConnection, service: str, cluster: str, letter: Letter, now: datetime) -> None:
    headers = {"reason": letter.error.code, "message": _text(letter.error.message), "place": letter.place(cluster)}
    await execute(
        conn,
        """insert into outbox (partition, topic, key, value, headers, created_at)
           values ($1, $2, $3, $4, $5::jsonb, $6)""",
        letter.record.partition,
        f"{letter.record.topic}.{service}.dlq",
        letter.record.key or b"",
        letter.record.value or b"",
        msgspec.json.encode(list(headers.items())).decode(),
        now,
    )


def _text(value: str | None) -> str | None:
    """Return text that PostgreSQL can hold: a refused name may well contain NUL or lone surrogates."""
    if value is None:
        return None
    return value.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


async def listing(conn: AsyncConnection, reason: str | None, after: int, limit: int) -> list[dict[str, Any]]:
    """Return letters with an id above `after`, oldest first, optionally of one reason."""
    rows = await fetch(
        conn,
        """select id, topic, partition, record_offset, event_id, source, account_id, code, message, record_value,
                  refused_at, replayed_at, replayable
           from dead_letter where id > $1 and ($2::text is null or code = $2) order by id limit $3""",
        after,
        reason,
        limit,
    )
    return [_shown(row) for row in rows]


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "reason": row.code,
        "message": row.message,
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.record_offset,
        "event_id": row.event_id,
        "source": row.source,
        "account_id": row.account_id,
        "refused_at": row.refused_at.isoformat(),
        "replayed_at": row.replayed_at.isoformat() if row.replayed_at else None,
        "replayable": row.replayable,
        "value": bytes(row.record_value or b"")[:SHOWN_BYTES].decode("utf-8", "backslashreplace"),
    }


async def replay(conn: AsyncConnection, reason: str | None, ids: Sequence[int] | None, now: datetime) -> int:
    """Send letters that were not replayed yet to their topic again, known as of `now`; return how many.

    Repeating it changes nothing: a replayed letter is marked, and an event that was counted meanwhile counts no more.
    """
    rows = await fetch(
        conn,
        """update dead_letter set replayed_at = $1
           where replayed_at is null and replayable and topic is not null and record_value is not null
             and ($2::text is null or code = $2) and ($3::bigint[] is null or id = any($3))
           returning topic, partition, record_key, record_value""",
        now,
        reason,
        ids,
    )
    for row in rows:
        known = f'"recordedtime":"{now.isoformat()}"'.encode()
        await execute(
            conn,
            "insert into outbox (partition, topic, key, value, created_at) values ($1, $2, $3, $4, $5)",
            row.partition,
            row.topic,
            bytes(row.record_key or b""),
            RECEIPT_FIELD.sub(known, bytes(row.record_value), count=1),
            now,
        )
    return len(rows)


async def about(conn: AsyncConnection, event_id: str, source: str | None) -> Row[Any] | None:
    """Return the newest refusal of an event, or None."""
    return await fetch_one(
        conn,
        """select code, message, refused_at, replayed_at from dead_letter
           where event_id = $1 and ($2::text is null or source = $2) order by id desc limit 1""",
        event_id,
        source,
    )
