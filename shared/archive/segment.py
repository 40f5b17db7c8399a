"""A file that is still being filled: records of one place in order, of one hour (where clocks differ, or before it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.archive.lines import frame_of, line_of
from shared.archive.names import HOUR_MS, Name, hour_of

if TYPE_CHECKING:
    from shared.archive.heads import Head
    from shared.kafka import Polled

FRAME_BYTES = 1024 * 1024
"""What is kept uncompressed of one place at most."""


@dataclass(slots=True)
class Held:
    """What a place has beyond its files: read first at `since` (monotonic), behind `head`; `tried` when a write began.

    It outlives segments, which are dropped when the store is in trouble: what is read again has not become younger.
    """

    head: Head
    since: float
    tried: bool = False


class Segment:
    """Records of one place from offset `start` on."""

    def __init__(self, first: Polled, chain: str, start: int) -> None:
        self.name = Name(first.topic, hour_of(first.timestamp_ms), chain, first.partition, start)
        self.records = 0
        self.following = start
        self._hour = first.timestamp_ms // HOUR_MS
        self._frames: list[bytes] = []
        self._lines: list[bytes] = []
        self._waiting = 0
        self._bytes = 0

    def add(self, record: Polled) -> None:
        """Append a record. What was read before, and is read again after a seek, is not appended."""
        if record.offset < self.following:
            return
        line = line_of(record)
        self._lines.append(line)
        self._waiting += len(line)
        self._bytes += len(line)
        self.records += 1
        self.following = record.offset + 1
        if self._waiting >= FRAME_BYTES:
            self._pack()

    def takes(self, record: Polled, file_bytes: float) -> bool:
        """Return whether a record belongs into this file: not when its hour is over, or when it is large enough."""
        return record.timestamp_ms // HOUR_MS <= self._hour and self._bytes < file_bytes

    def data(self) -> bytes:
        """Return the file as it stands."""
        if self._lines:
            self._pack()
        return b"".join(self._frames)

    def _pack(self) -> None:
        self._frames.append(frame_of(self._lines))
        self._lines, self._waiting = [], 0
