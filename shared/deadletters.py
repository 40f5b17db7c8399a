"""Dead letters: records that a service refuses, kept untouched with the reason and the place, listed and replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from shared import outbox
from shared.db import execute, fetch, fetch_one
from shared.events import identity, known_since
from shared.kafka import Polled
from shared.kafka_admin import RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.errors import BadEvent

SHOWN_BYTES = 2000
AROUND_BYTES = 4096
"""More than a batch of one record adds to it, and a replay."""
_SENDABLE = f"""replayable and (topic is null or record_value is not null
    and octet_length(record_value) + coalesce(octet_length(record_key), 0) <= {RECORD_BYTES - AROUND_BYTES})"""
"""What is larger was compressed better than we would, and might be refused for ever, with all that waits behind it.

What lay on no topic was a request, which ingest reads again whatever its size.
"""
_LISTED = _SENDABLE.join(
    (
        """select id, topic, partition, record_offset, event_id, source, account_id, code, message,
                  substr(record_value, 1, $4) as record_value, refused_at, replayed_at, """,
        """ as sendable
           from dead_letter where id > $1 and ($2::text is null or code = $2) order by id limit $3""",
    )
)
_WHOLE = _SENDABLE.join(("select *, ", " as sendable from dead_letter where id = $1"))
_WAITING = _SENDABLE.join(
    (
        """select id, topic, partition, record_offset, record_key, record_value from dead_letter
           where id > $3 and replayed_at is null and """,
        """ and ($1::text is null or code = $1) and ($2::bigint[] is null or id = any($2))
           order by id limit $4 for update""",
    )
)
PAGE = 50
"""So many letters are replayed in one transaction: each may be as large as a record."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One refused record. `account_id`, `event_id` and `source` where they could be read."""

    record: Polled
    error: BadEvent
    event_id: str | None = None
    source: str | None = None
    account_id: str | None = None

    @property
    def identity(self) -> str:
        """What identifies it for ever: the same record again, wherever it lies and whenever it came, is one letter."""
        return f"{self.record.topic}/{identity(self.record.key, self.record.value)}"


async def write(
    conn: AsyncConnection, service: str, cluster: str, letters: Sequence[Letter], now: datetime
) -> list[Letter]:
    """Store letters and hand them to the outbox for `<topic>.<service>.dlq`; return those that are news.

    The copy there is without key and value, and says so in a header, where they are larger than a topic surely takes.
    A letter that waits already is left as it is. One that was replayed, and comes back, waits again.
    """
    if not letters:
        return []
    once = {letter.identity: letter for letter in reversed(letters)}
    rows = await fetch(
        conn,
        """insert into dead_letter (place, topic, partition, record_offset, event_id, source, account_id,
                                    code, message, record_key, record_value, refused_at)
           select *, $12::timestamptz
           from unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                       $8::text[], $9::text[], $10::bytea[], $11::bytea[])
           on conflict (place) do update set
               partition = excluded.partition, record_offset = excluded.record_offset, code = excluded.code,
               message = excluded.message, record_value = excluded.record_value, refused_at = excluded.refused_at,
               replayed_at = null
           where dead_letter.replayed_at is not null
           returning place""",
        *_columns([(place, *_stored(letter)) for place, letter in sorted(once.items())], 11),
        now,
    )
    news = [once[row.place] for row in rows]
    await _send(conn, [_copy(letter, service, cluster) for letter in news], now)
    return news


async def _send(conn: AsyncConnection, rows: Sequence[tuple[Any, ...]], now: datetime) -> None:
    await execute(
        conn,
        """insert into outbox (partition, topic, key, value, headers, created_at)
           select p, t, k, v, h::jsonb, $6
           from unnest($1::int[], $2::text[], $3::bytea[], $4::bytea[], $5::text[]) as r(p, t, k, v, h)""",
        *_columns(rows, 5),
        now,
    )


def _stored(letter: Letter) -> tuple[Any, ...]:
    record, error = letter.record, letter.error
    read = (_text(letter.event_id), _text(letter.source), _text(letter.account_id))
    return (record.topic, record.partition, record.offset, *read, error.code, _text(error.message), *record[3:5])


def _copy(letter: Letter, service: str, cluster: str) -> tuple[Any, ...]:
    record, error = letter.record, letter.error
    place = f"{cluster}/{record.topic}/{record.partition}/{record.offset}"
    headers = [("reason", error.code), ("message", _text(error.message)), ("place", place)]
    size = len(record.key or b"") + len(record.value or b"")
    if size > RECORD_BYTES:
        headers.append(("omitted", f"{size} bytes of key and value: they are in the database of {service}"))
        record = record._replace(key=None, value=None)
    return _outgoing(record, f"{record.topic}.{service}.dlq", record.value, headers)


def _outgoing(
    record: Polled, topic: str, value: bytes | None, headers: list[tuple[str, str | None]]
) -> tuple[Any, ...]:
    absent = [name for name, part in (("key", record.key), ("value", value)) if part is None]
    told = msgspec.json.encode([*headers, *((outbox.NULL, name) for name in absent)]).decode()
    return record.partition, topic, record.key or b"", value or b"", told


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _text(value: str | None) -> str | None:
    """Return text that PostgreSQL can hold: a refused name may well contain NUL or lone surrogates."""
    if value is None:
        return None
    return value.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


async def listing(conn: AsyncConnection, reason: str | None, after: int, limit: int) -> list[dict[str, Any]]:
    """Return letters with an id above `after`, oldest first, optionally of one reason."""
    rows = await fetch(
        conn,
        _LISTED,
        after,
        reason,
        limit,
        SHOWN_BYTES,
    )
    return [_shown(row) for row in rows]


async def whole(conn: AsyncConnection, letter_id: int) -> dict[str, Any] | None:
    """Return one letter with every byte of its record, or None."""
    row = await fetch_one(conn, _WHOLE, letter_id)
    return row and {**_shown(row), "key": _exact(row.record_key), "value": _exact(row.record_value)}


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
        "replayable": row.sendable,
        "value": bytes(row.record_value or b"")[:SHOWN_BYTES].decode("utf-8", "backslashreplace"),
    }


def _exact(raw: bytes | None) -> dict[str, Any] | None:
    """Return bytes as text where they are printable text, else in hex: what a terminal would act upon is no text."""
    if raw is None:
        return None
    try:
        text = bytes(raw).decode()
    except UnicodeDecodeError:
        text = "\0"
    shown = {"text": text} if "".join(text.split()).isprintable() else {"hex": bytes(raw).hex()}
    return {"bytes": len(raw), **shown}


async def candidates(
    conn: AsyncConnection, reason: str | None, ids: Sequence[int] | None, after: int = 0
) -> list[tuple[int, Polled]]:
    """Return the next `PAGE` letters that wait for a replay, by id, each as the record that was refused."""
    rows = await fetch(
        conn,
        _WAITING,
        reason,
        ids,
        after,
        PAGE,
    )
    return [(row.id, _record(row)) for row in rows]


def _record(row: Row[Any]) -> Polled:
    key = None if row.record_key is None else bytes(row.record_key)
    return Polled(row.topic, row.partition, row.record_offset, key, bytes(row.record_value), (), 0)


async def replay(conn: AsyncConnection, letters: Sequence[tuple[int, Polled]], now: datetime) -> None:
    """Send letters to their topic again, known as of `now`, and mark them.

    Repeating it changes nothing: a letter waits only once, and an event that was counted meanwhile counts no more.
    """
    await _send(
        conn, [_outgoing(each, each.topic, known_since(each.value or b"", now), []) for _, each in letters], now
    )
    await execute(
        conn,
        "update dead_letter set replayed_at = $2 where id = any($1::bigint[])",
        [letter_id for letter_id, _ in letters],
        now,
    )


async def about(conn: AsyncConnection, event_id: str, source: str | None) -> Row[Any] | None:
    """Return the newest refusal of an event, or None."""
    return await fetch_one(
        conn,
        """select code, message, refused_at, replayed_at from dead_letter
           where event_id = $1 and ($2::text is null or source = $2) order by id desc limit 1""",
        event_id,
        source,
    )
