"""Packs numbered events into requests that stay under ingest's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cli.errors import Misused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cli.importer.feed import Numbered

BRACKETS: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """The most events and the most bytes of one request."""

    events: int = 2_500
    size: int = 4 * 1024 * 1024 - 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one request, with the row each came from."""

    rows: tuple[int, ...]
    events: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        """The request's body: a JSON array."""
        return b"[" + b",".join(self.events) + b"]"


def batches(events: Iterable[Numbered], limits: Limits) -> Iterator[Batch]:
    """Yield the events in order, as many to a batch as the limits let; an event larger than a request is `Misused`."""
    rows: list[int] = []
    held: list[bytes] = []
    size = BRACKETS
    for row, event in events:
        needed = len(event) + 1
        if BRACKETS + needed > limits.size:
            raise Misused(f"The event of row {row} has {len(event)} bytes: 64 KiB are the most an event may have")
        if len(held) == limits.events or size + needed > limits.size:
            yield Batch(tuple(rows), tuple(held))
            rows, held, size = [], [], BRACKETS
        rows.append(row)
        held.append(event)
        size += needed
    if held:
        yield Batch(tuple(rows), tuple(held))
