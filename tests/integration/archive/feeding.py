"""Numbered records over every place, and what must be said of an archive of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from deploy.local.processes import Program
from shared.archive.lines import records_of
from shared.archive.names import Name
from shared.kafka import Polled, Record
from tests.plugins.runtime import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.archive.store import Store
    from shared.kafka_producer import Producer

NewArchiver = Callable[..., Program]

PARTITIONS = 4
TOPICS = ("usage.v1", "backfill.v1", "signals.v1", "usage.v1.health.dlq")
HOLD_SECONDS = 3


async def names_in(store: Store) -> list[Name]:
    """Return the names of all files, by place and offset."""
    found = [name async for path, _ in store.paths("") if (name := Name.read(path))]
    return sorted(found, key=lambda name: (name.topic, name.chain, name.partition, name.start))


async def records_in(store: Store) -> list[Polled]:
    """Return every record of every file, file after file: what is there twice is there twice."""
    return [record for name in await names_in(store) for record in records_of(await store.get(name.path) or b"")]


class Feed:
    """Writes numbered records over all places; `sent` are the values, each of which is there once."""

    def __init__(self, producer: Producer, prefix: str) -> None:
        self.producer = producer
        self._prefix = prefix
        self.sent: list[bytes] = []

    async def send(self, count: int) -> None:
        for _ in range(count):
            number = len(self.sent)
            topic, value = TOPICS[number % len(TOPICS)], b"%d" % number
            record = Record(self._prefix + topic, b"k", value, [("raw", b"\xff")])
            await self.producer.send(record.topic, number // len(TOPICS) % PARTITIONS, [record])
            self.sent.append(value)


def values(records: Sequence[Polled]) -> list[bytes | None]:
    return [record.value for record in records]


async def complete(archive: Store, feed: Feed, seconds: float = 60) -> list[Polled]:
    """Wait until everything that was sent is in the archive; return all that is there."""

    async def there() -> bool:
        return set(feed.sent) <= set(values(await records_in(archive)))

    await until(there, seconds)
    return await records_in(archive)


def exactly_once(records: Sequence[Polled], feed: Feed) -> None:
    places = Counter((each.topic, each.partition, each.offset) for each in records)
    assert [place for place, times in places.items() if times > 1] == [], "twice"
    assert sorted(values(records), key=repr) == sorted(feed.sent, key=repr)


async def count(archive: Store, least: int) -> bool:
    """Tell whether at least so many records are in the archive."""
    return len(await records_in(archive)) >= least


async def woken(archive: Store, feed: Feed, new_archiver: NewArchiver) -> None:
    """Stop a replica that holds records for longer than its session, let another one take over, wake it again."""
    first = new_archiver("first", KIZUNA_ARCHIVE_FLUSH_SECONDS=str(HOLD_SECONDS))
    await feed.send(64)
    await until(lambda: _ready(first))
    await feed.send(64)
    await asyncio.sleep(1.5)  # it has read them, and holds them
    pid = first.pid()
    assert pid
    os.kill(pid, signal.SIGSTOP)
    new_archiver("second")
    await feed.send(64)
    await complete(archive, feed)
    os.kill(pid, signal.SIGCONT)
    await feed.send(64)
    await asyncio.sleep(HOLD_SECONDS + 2)  # what the zombie held is due by now


def _ready(program: Program) -> bool:
    return "places_taken" in program.log.read_text()
