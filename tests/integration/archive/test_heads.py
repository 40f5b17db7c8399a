"""Where a place goes on, in a folder and at an S3 server: by hint, by search, never by a hint that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.archive.heads import Head, Heads
from shared.archive.lines import frame_of, line_of
from shared.archive.names import Name, chain_of, hour_of
from shared.archive.store import Store, StoreTrouble
from shared.kafka import Polled

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACE = ("usage.v1", 3)
MINUTE = 60_000


@pytest.fixture(params=["archive", "bucket"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


async def write(store: Store, offsets: Iterable[int], chain: str = "abc", timestamp: int = 0) -> tuple[Name, bytes]:
    records = [Polled(*PLACE, offset, b"a", b"{}", (), timestamp) for offset in offsets]
    name = Name(PLACE[0], hour_of(timestamp), chain, PLACE[1], records[0].offset)
    data = frame_of([line_of(record) for record in records])
    assert await store.create(name.path, data)
    return name, data


async def test_a_name_is_given_once(store: Store) -> None:
    name, data = await write(store, [0, 1])
    assert not await store.create(name.path, b"other")
    assert await store.get(name.path) == data
    assert await store.size(name.path) == len(data)
    assert await store.get("elsewhere") is None
    assert await store.size("elsewhere") is None


async def test_it_goes_on_behind_the_newest_file_wherever_its_hour_lies(store: Store) -> None:
    heads = Heads(store)
    assert await heads.find("abc", [PLACE]) == {PLACE: Head("abc", None)}
    await write(store, [0, 1], timestamp=90 * MINUTE)
    await write(store, [2, 3, 7], timestamp=30 * MINUTE)  # a clock that is behind
    await write(store, range(20, 30), chain="another")
    seen = list[None]()
    assert await Heads(store, lambda: seen.append(None)).find("abc", [PLACE, ("usage.v1", 4)]) == {
        PLACE: Head("abc", 8),
        ("usage.v1", 4): Head("abc", None),
    }
    assert len(seen) == 3, "who looks through a million names is alive all the while"


async def test_a_later_life_of_the_cluster_comes_after_a_longer_one(store: Store) -> None:
    await write(store, range(100))
    await write(store, range(5), chain=chain_of("abc", 1))
    assert await Heads(store).find("abc", [PLACE]) == {PLACE: Head("abc.1", 5)}


async def test_a_hint_saves_the_search_and_is_not_believed_without_its_file(store: Store) -> None:
    heads = Heads(store)
    first, data = await write(store, [0, 1])
    second, _ = await write(store, [2, 3])
    await heads.note(first, 2, len(data))
    assert await heads.find("abc", [PLACE]) == {PLACE: Head("abc", 2)}, "behind, which a collision will show"
    await heads.note(second, 4, 1)
    assert await heads.find("abc", [PLACE]) == {PLACE: Head("abc", 4)}, "the file has another size: searched"
    await heads.note(second._replace(start=4), 9, 1)
    assert await heads.find("abc", [PLACE]) == {PLACE: Head("abc", 4)}, "there is no such file: searched"
    assert await heads.find("another", [PLACE]) == {PLACE: Head("another", None)}


async def test_a_damaged_file_stops_the_place_and_is_named(store: Store) -> None:
    name = Name(PLACE[0], hour_of(0), "abc", PLACE[1], 0)
    assert await store.create(name.path, b"cut")
    with pytest.raises(StoreTrouble, match=r"usage\.v1/1970-01-01/00/abc-00003.* is damaged .*Move it away"):
        await Heads(store).find("abc", [PLACE])


async def test_a_store_that_is_gone_is_trouble_and_no_answer(bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:1")
    gone = Store(bucket.url)
    monkeypatch.setattr("shared.archive.store.SECONDS", 1.0)
    with pytest.raises(StoreTrouble):
        await gone.create("a", b"1")
    with pytest.raises(StoreTrouble):
        await gone.get("a")
