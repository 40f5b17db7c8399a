"""What an import consists of: feeds, each a file and the events it turns into, numbered by the row they come from.

The identity of an event is a hash of what was said and where: two equal rows at different places are two events, the
same row read again is the same event.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ID_BYTES: Final = 16


class Numbered(NamedTuple):
    """One event in CloudEvents JSON, and the number of the row it came from, counted from 1."""

    row: int
    event: bytes


@dataclass(frozen=True, slots=True)
class Feed:
    """A file and its events. `events(first)` yields those of row `first` and after, the same ones at every call."""

    name: str
    path: Path
    events: Callable[[int], Iterator[Numbered]]


class Identity:
    """Makes event ids for the rows of one file under fixed circumstances (its name, a prefix, a shift)."""

    def __init__(self, *circumstances: object) -> None:
        self._base = blake2b("\0".join(map(str, circumstances)).encode(), digest_size=ID_BYTES)

    def of(self, number: int, row: str) -> str:
        """Return the id of the event made of a row: 32 hexadecimal digits."""
        hashed = self._base.copy()
        hashed.update(f"\0{number}\0{row}".encode())
        return hashed.hexdigest()


@lru_cache(maxsize=1 << 16)
def quoted(text: str) -> str:
    """Write a string as JSON. Cached, because accounts, people and kinds of event come again and again."""
    return msgspec.json.encode(text).decode()
