"""Remembers how far an import came: one small file per directory, options and deployment, gone when it is complete.

A completed import that is run again sends everything again, which changes nothing; an interrupted one goes on behind
the rows that ingest has acknowledged.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class Checkpoint(msgspec.Struct):
    """For each feed the last row whose events are acknowledged, and the shift in weeks that the import began with."""

    weeks: int = 0
    rows: dict[str, int] = msgspec.field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what the file remembers; None when there is none or it cannot be read, which costs a repetition."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that an interruption leaves the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self))
        fresh.replace(path)


def place(root: Path, *circumstances: object) -> Path:
    """Return the file of an import: named by a hash of its directory, its options, and whom it is sent to."""
    digest = blake2b("\0".join(map(str, circumstances)).encode(), digest_size=12).hexdigest()
    return root / ".run" / "import" / f"{digest}.json"
