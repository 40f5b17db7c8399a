"""Owns what surrounds an event on its way in, and what ingest says back about it."""

import re
from datetime import datetime
from random import Random
from typing import Final

import msgspec

EVENTS: Final = "events"
PARKED: Final = "parked"
BATCH: Final = "batch"
NOBODY: Final = "(unknown account)"
"""Stands in `subject` while an event waits for its account, so that everything else about it can be checked."""

_ID_BITS: Final = 192
_ids: Final = Random()  # noqa: S311 - trace ids must differ, not be secret; the system's costs a call to the kernel

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Origin(msgspec.Struct, frozen=True):
    """Where events came from: route, the key's source, when received (UTC) and sent (client's clock), the trace.

    Kept beside a refused event, so that a replay means the same.
    """

    route: str
    source: str
    received: datetime
    traceparent: str
    backdate: bool = False
    sent: datetime | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why one event of a request was refused. `index` counts from 0; `id` where it could be read."""

    index: int
    id: str | None
    code: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """What became of a request's events; `received` is the sum of the others."""

    success: bool
    received: int
    accepted: int
    parked: int
    rejected: list[Refusal]


def traceparent(header: bytes | None) -> str:
    """Return the W3C trace context of a request: the client's if it is valid, else a new one."""
    given = header.decode("latin-1").strip() if header else ""
    if given and _TRACEPARENT.fullmatch(given):
        return given
    made = f"{_ids.getrandbits(_ID_BITS):048x}"
    return f"00-{made[:32]}-{made[32:]}-01"
