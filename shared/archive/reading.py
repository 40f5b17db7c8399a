"""Reading the archive: the files of some topics, hour after hour, each record once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shared.archive.lines import Damaged, records_of
from shared.archive.names import Name, life_of
from shared.archive.store import StoreTrouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

    from shared.archive.store import Store
    from shared.kafka import Polled


class Sheet(NamedTuple):
    """One file and its size in bytes."""

    name: Name
    size: int


async def sheets(store: Store, topics: Collection[str]) -> list[Sheet]:
    """Return the files of topics in the order in which they are to be read."""
    found = [
        Sheet(name, size)
        for topic in sorted(topics)
        async for path, size in store.paths(topic)
        if (name := Name.read(path)) and name.topic == topic
    ]
    return in_order(found)


def in_order(found: Iterable[Sheet]) -> list[Sheet]:
    """Sort files by hour, but never a chain's file before the one that it follows: clocks differ. Pure."""
    placed = []
    latest: dict[tuple[str, str, int], str] = {}
    for each in sorted(found, key=lambda sheet: sheet.name.start):
        chain = (each.name.topic, each.name.chain, each.name.partition)
        latest[chain] = max(latest.get(chain, ""), each.name.hour)
        placed.append((latest[chain], each))
    return [each for _, each in sorted(placed, key=lambda pair: (pair[0], pair[1].name.start, pair[1].name))]


async def records(store: Store, ordered: Sequence[Sheet]) -> AsyncIterator[tuple[Sheet, list[Polled], range]]:
    """Yield the records of files, and which offsets before them no file holds. What stands in two is yielded once.

    A chain begins at 0, and a file where the one before it ended: what lies between was lost with a file, or was gone
    from the broker before it was archived. A later life of a cluster begins where it shares a record with an earlier
    one: up to there they are the same log, and the earlier one has it.

    Raises:
        StoreTrouble: a file cannot be had or read; the message names it.

    """
    following: dict[tuple[str, str, int], int] = {}
    for sheet in ordered:
        name = sheet.name
        chain = (name.topic, name.chain, name.partition)
        found = await _read(store, name)
        if chain not in following and await _shared(store, _earlier(name, ordered), found[0]):
            following[chain] = name.start
        known = following.get(chain, 0)
        following[chain] = max(known, found[-1].offset + 1)
        yield sheet, [record for record in found if record.offset >= known], range(known, name.start)


async def _read(store: Store, name: Name) -> list[Polled]:
    try:
        return records_of(await store.get(name.path) or b"")
    except Damaged as error:
        raise StoreTrouble(f"{name.path} is damaged: {error}") from error


def _earlier(name: Name, ordered: Iterable[Sheet]) -> list[Name]:
    """Return the file of each earlier life of a file's cluster that may hold the offset at which the file begins."""
    cluster = name.chain.partition(".")[0]
    life = life_of(name.chain, cluster) or 0
    found: dict[str, Name] = {}
    for each, _ in ordered if life else ():
        if (each.topic, each.partition) == (name.topic, name.partition) and each.start <= name.start:
            other = life_of(each.chain, cluster)
            if other is not None and other < life:
                found[each.chain] = each
    return list(found.values())


async def _shared(store: Store, names: Iterable[Name], record: Polled) -> bool:
    """Return whether one of the files has this very record. Its offset is not enough: a lost tail is written anew."""
    for name in names:
        if record in await _read(store, name):
            return True
    return False
