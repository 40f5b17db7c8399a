"""Runs an import: feed after feed to ingest, the checkpoint behind what is acknowledged, the tally of it all."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cli.errors import Misused
from cli.importer.batches import Batch, Limits, batches
from cli.importer.files import row_count
from cli.importer.sender import Door, Tally, deliver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from cli.importer.checkpoint import Checkpoint
    from cli.importer.feed import Feed, Numbered
    from cli.importer.meter import Meter

REMEMBER_EVERY: Final = 1.0


@dataclass(slots=True)
class Journal:
    """Keeps a checkpoint's file up to date, at most once a second, and for good when the import is complete."""

    checkpoint: Checkpoint
    path: Path
    _written: float = field(default=0.0)

    def acknowledged(self, feed: str, row: int) -> None:
        """Remember that all rows before `row` and at least one event of `row` itself are acknowledged."""
        self.checkpoint.rows[feed] = row
        if time.monotonic() - self._written >= REMEMBER_EVERY:
            self.save()

    def save(self) -> None:
        """Write the file."""
        self.checkpoint.write(self.path)
        self._written = time.monotonic()

    def complete(self) -> None:
        """Forget the import, which is over: another run begins at the first row."""
        self.path.unlink(missing_ok=True)


def run_import(feeds: Sequence[Feed], door: Door, journal: Journal, meter: Meter) -> Tally:
    """Send all feeds and return what ingest said; whatever stops it leaves a checkpoint to go on from."""
    tally = Tally()
    journal.save()
    try:
        asyncio.run(send_feeds(feeds, door, journal, meter, tally))
    except BaseException:
        journal.save()
        raise
    journal.complete()
    return tally


async def send_feeds(feeds: Sequence[Feed], door: Door, journal: Journal, meter: Meter, tally: Tally) -> None:
    """Send feed after feed from where the journal stands, that row again: it may be half sent."""
    for feed in feeds:
        first = max(1, journal.checkpoint.rows.get(feed.name, 1))
        meter.feed(feed.name, max(0, row_count(feed.path) - 1), first - 1)
        await deliver(door, batches(readable(feed, first), Limits()), taking_note(feed, journal, meter, tally))
        meter.finished(journal.checkpoint.rows.get(feed.name, 0))


def taking_note(feed: Feed, journal: Journal, meter: Meter, tally: Tally) -> Callable[[Batch, dict[str, Any]], None]:
    """Return what is done with every acknowledged batch of a feed."""

    def note(batch: Batch, answer: dict[str, Any]) -> None:
        tally.add(batch, answer)
        journal.acknowledged(feed.name, batch.rows[-1])
        meter.at(batch.rows[-1])

    return note


def readable(feed: Feed, first: int) -> Iterator[Numbered]:
    """Yield a feed's events; a value that cannot be read is `Misused` and says after which row it stands."""
    last = first - 1
    try:
        for numbered in feed.events(first):
            last = numbered.row
            yield numbered
    except (ValueError, ArithmeticError, LookupError) as error:
        raise Misused(f"{feed.path.name} cannot be read behind row {last}: {error}") from error
