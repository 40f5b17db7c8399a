"""What a file's name says: `usage.v1/2026-11-29/10/<chain>-00003-00000000000000012345.jsonl.zst`.

The hour (UTC) is that of the first record, by Kafka's timestamp; `chain` is the broker's cluster, 3 the partition,
12345 the offset at which the file begins. The name tells nothing of where it ends: so two writers who both go on after
the same file choose the same name, and the store lets only the first of them have it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple, Self

HOUR_MS = 3_600_000
_PATTERN = re.compile(r"([^/]+)/(\d{4,}-\d\d-\d\d/\d\d)/(.+)-(\d{5,})-(\d{20})\.jsonl\.zst")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LAST = datetime(9999, 12, 31, 23, tzinfo=UTC)


class Name(NamedTuple):
    """One file. `hour` is `YYYY-MM-DD/HH`."""

    topic: str
    hour: str
    chain: str
    partition: int
    start: int

    @property
    def path(self) -> str:
        """Return where it lies in the store."""
        return f"{self.topic}/{self.hour}/{self.chain}-{self.partition:05d}-{self.start:020d}.jsonl.zst"

    @classmethod
    def read(cls, path: str) -> Self | None:
        """Read a path; None for what is no file of the archive."""
        found = _PATTERN.fullmatch(path)
        if found is None:
            return None
        topic, hour, chain, partition, start = found.groups()
        return cls(topic, hour, chain, int(partition), int(start))


def hour_of(timestamp_ms: int) -> str:
    """Return the hour of a record as it stands in a path; a timestamp that nobody can mean becomes the nearest one."""
    try:
        moment = datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC)
    except (OverflowError, ValueError):
        moment = _LAST
    return moment.strftime("%Y-%m-%d/%H")


def chain_of(cluster: str, life: int = 0) -> str:
    """Return the chain of a cluster; one whose broker lost its tail, so that offsets begin anew, has more lives."""
    name = _UNSAFE.sub("_", cluster)
    return f"{name}.{life}" if life else name


def life_of(chain: str, cluster: str) -> int | None:
    """Return which life of a cluster a chain is; None when it is another cluster's."""
    name, _, life = chain.partition(".")
    return (int(life) if life else 0) if name == chain_of(cluster) else None
