"""Owns the short way of a plain track call: from its bytes straight to its record, at a quarter of the long way's cost.

It takes only what the long way (`items.read`) would surely take, and makes the same record of it, byte for byte. Of
everything else it says nothing, and the long way decides. A property test holds the two together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from services.ingest.origin import BATCH
from services.ingest.segment import AHEAD, SKEW, Call, Context, aware, instant
from shared.events import MAX_BYTES, MAX_DEPTH, topic_of
from shared.events.fields import FIRST_YEAR, Id
from shared.kafka import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.ingest.origin import Origin

TRACK: Final = "track"
CALLS: Final = frozenset({BATCH, TRACK})
"""The routes on which plain calls come."""
USAGE: Final = "kizuna.usage.recorded"
TOPIC: Final = topic_of(USAGE)
EARLIEST: Final = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) + timedelta(days=1)
"""From here on a time lies after the first year's beginning in every time zone."""


class _About(Context, rename="camel", kw_only=True):
    group_id: Id


class _Track(Call, rename="camel", kw_only=True):
    message_id: Id
    user_id: Id
    event: Id
    context: _About


class _Data(msgspec.Struct, omit_defaults=True, gc=False):
    event: str
    person_id: str
    properties: dict[str, msgspec.Raw] | None = None


class _Written(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    traceparent: str
    data: _Data
    recordedtime: datetime
    partitionkey: str


def shortcut(origin: Origin, known: datetime, raws: Sequence[bytes]) -> list[Record | None]:
    """Return the record of each plain call of a request, None for what has to go the long way."""
    if origin.route not in CALLS:
        return [None] * len(raws)
    take = Shortcut(origin, known).record
    return [take(raw) for raw in raws]


class Shortcut:
    """The short way for the calls of one request."""

    __slots__ = ("_call", "_headers", "_latest", "_origin", "_recorded")

    def __init__(self, origin: Origin, known: datetime) -> None:
        self._origin = origin
        self._call = None if origin.route == BATCH else origin.route
        self._recorded = known.astimezone(UTC)
        self._latest = min(known, origin.received) + AHEAD
        self._headers = [
            ("ce_source", origin.source.encode()),
            ("ce_type", USAGE.encode()),
            ("traceparent", origin.traceparent.encode()),
        ]

    def record(self, raw: bytes) -> Record | None:
        """Return the record of a plain call, or None where the long way has to decide."""
        if len(raw) > MAX_BYTES or raw.count(b"{") + raw.count(b"[") >= MAX_DEPTH:
            return None
        if b"\\" in raw and b"\\u0000" in raw:  # one byte is found faster than six
            return None
        try:
            _WHOLE.decode(raw)  # what is not looked at, too, must be good JSON
            said = _TRACK.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        time = self._time(said)
        return None if time is None or (self._call or said.type) != TRACK else self._written(said, time)

    def _time(self, said: _Track) -> datetime | None:
        """Return when it happened, if that is beyond doubt."""
        if said.context.backfill:
            return None
        sent = self._origin.sent or instant(said.sent_at)
        if sent is not None and abs(self._origin.received - sent) > SKEW:
            return None
        time = aware(said.timestamp or said.original_timestamp)
        if time is None:
            return self._origin.received
        return time if EARLIEST <= time <= self._latest else None

    def _written(self, said: _Track, time: datetime) -> Record:
        account = said.context.group_id
        event = _Written(
            "1.0",
            said.message_id,
            self._origin.source,
            USAGE,
            account,
            time,
            "application/json",
            self._origin.traceparent,
            _Data(said.event, said.user_id, said.properties or None),
            self._recorded,
            account,
        )
        return Record(TOPIC, account.encode(), _encode(event), [("ce_id", said.message_id.encode()), *self._headers])


_WHOLE: Final = msgspec.json.Decoder()
_TRACK: Final = msgspec.json.Decoder(_Track)
_encode: Final = msgspec.json.Encoder().encode
