"""Where each place goes on: after the last record of the newest file of its chain.

That follows from the files alone. A small note beside them saves the search; it is a hint, believed only while the file
that it names is there as it was, and a hint that is behind costs nothing but a collision of names.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shared.archive.lines import Damaged, records_of
from shared.archive.names import Name, chain_of, life_of
from shared.archive.store import StoreTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shared.archive.store import Store
    from shared.kafka import Place

AT_ONCE = 16


class Head(NamedTuple):
    """The chain that a place is written to, and the offset after the newest record that is in it (None: no file)."""

    chain: str
    next: int | None = None


class _Hint(msgspec.Struct, frozen=True):
    chain: str
    next: int
    path: str
    size: int


class Heads:
    """Finds and notes where places go on. `look` is called with every name that is looked at: that may take minutes."""

    def __init__(self, store: Store, look: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._look = look
        self._busy = asyncio.Semaphore(AT_ONCE)

    async def find(self, cluster: str, places: Collection[Place]) -> dict[Place, Head]:
        """Return where places go on, by their hints where there are any."""
        ordered = list(places)
        hinted = await asyncio.gather(*(self._recall(cluster, place) for place in ordered))
        found = {place: head for place, head in zip(ordered, hinted, strict=True) if head is not None}
        return found | await self.search(cluster, [place for place in ordered if place not in found])

    async def search(self, cluster: str, places: Collection[Place]) -> dict[Place, Head]:
        """Return where places go on, by looking through the names of all files of their topics."""
        newest: dict[Place, Name] = {}
        for topic in {topic for topic, _ in places}:
            async for path, _ in self._store.paths(topic):
                self._look()
                name = Name.read(path)
                if name is None or name.topic != topic or life_of(name.chain, cluster) is None:
                    continue
                place, known = (topic, name.partition), newest.get((topic, name.partition))
                if place in places and (known is None or _order(name, cluster) > _order(known, cluster)):
                    newest[place] = name
        ends = await asyncio.gather(*(self._end(name.path) for name in newest.values()))
        heads = {place: Head(chain_of(cluster)) for place in places}
        return heads | {place: Head(name.chain, end) for (place, name), end in zip(newest.items(), ends, strict=True)}

    async def note(self, name: Name, following: int, size: int) -> None:
        """Note that a place goes on at offset `following` after the file `name`."""
        hint = _Hint(name.chain, following, name.path, size)
        await self._store.replace(_note(name.topic, name.partition), msgspec.json.encode(hint))

    async def _recall(self, cluster: str, place: Place) -> Head | None:
        async with self._busy:
            text = await self._store.get(_note(*place))
            try:
                hint = msgspec.json.decode(text or b"", type=_Hint)
            except msgspec.DecodeError:
                return None
            if life_of(hint.chain, cluster) is None or await self._store.size(hint.path) != hint.size:
                return None
            return Head(hint.chain, hint.next)

    async def _end(self, path: str) -> int:
        async with self._busy:
            data = await self._store.get(path)
        try:
            return records_of(data or b"")[-1].offset + 1
        except Damaged as error:
            raise StoreTrouble(
                f"{path} is damaged ({error}). Move it away: what it held is read again while the topic still has it."
            ) from error


def _order(name: Name, cluster: str) -> tuple[int, int]:
    return (life_of(name.chain, cluster) or 0, name.start)


def _note(topic: str, partition: int) -> str:
    return f"_heads/{topic}/{partition:05d}.json"
