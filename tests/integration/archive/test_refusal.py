"""A store that can be read and not written: what is in no file gets older, and readiness names it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared.archive import archiver as archiving
from shared.archive.archiver import Archiver, Limits, Origin
from shared.archive.store import Store, StoreTrouble
from shared.cluster import Cluster
from tests.integration.archive.feeding import Feed, NewArchiver, complete, exactly_once
from tests.plugins.runtime import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SESSION_SECONDS = 2
FLUSH_SECONDS = 0.5
RECORDS = 64


class Refusing(Store):
    """A folder that takes files, refuses them, or takes them and does not say so."""

    refuses = False
    mute = False

    async def create(self, path: str, data: bytes) -> bool:
        if self.refuses:
            raise StoreTrouble("PutObject is not allowed")
        written = await super().create(path, data)
        if self.mute:
            raise StoreTrouble("no answer")
        return written


@pytest.fixture
def store(archive: Store) -> Refusing:
    return Refusing(archive.url)


@pytest.fixture
async def archiver(
    store: Refusing, bootstrap_servers: str, topic_prefix: str, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Archiver]:
    """An archiver that has begun, on topics that have nothing yet."""
    monkeypatch.setattr(archiving, "STORE_SECONDS", 0.2)
    del feed  # it has made the topics
    origin = Origin(Cluster(bootstrap_servers), topic_prefix, SESSION_SECONDS)
    begun = Archiver(origin, store, Limits(FLUSH_SECONDS, 1_000_000))
    stop = asyncio.Event()
    running = asyncio.create_task(begun.run(stop))
    await until(lambda: begun.trouble is None)
    yield begun
    stop.set()
    await running


async def holds(condition: Callable[[], bool], seconds: float) -> None:
    """Fail if a condition is untrue at any moment."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        assert condition()
        await asyncio.sleep(0.01)


async def test_what_is_not_written_gets_older_until_it_is(
    store: Refusing, archive: Store, archiver: Archiver, feed: Feed
) -> None:
    store.refuses = True
    await feed.send(RECORDS)
    await until(lambda: archiver.trouble)
    seen = [archiver.oldest()]

    def older() -> bool:
        seen.append(archiver.oldest())
        return seen[-1] >= seen[-2] and "PutObject" in (archiver.trouble or "")

    await holds(older, 4)
    assert seen[-1] >= 4
    store.refuses = False
    await until(lambda: archiver.trouble is None)
    assert archiver.oldest() < seen[-1]
    exactly_once(await complete(archive, feed), feed)
    await until(lambda: archiver.oldest() == 0)


async def test_what_was_written_without_an_answer_is_not_held(
    store: Refusing, archive: Store, archiver: Archiver, feed: Feed
) -> None:
    store.mute = True
    await feed.send(RECORDS)
    exactly_once(await complete(archive, feed), feed)
    await until(lambda: archiver.trouble is None and archiver.oldest() == 0)


async def test_what_another_one_took_over_is_not_held(
    store: Refusing, archive: Store, archiver: Archiver, feed: Feed, new_archiver: NewArchiver
) -> None:
    store.refuses = True
    await feed.send(RECORDS)
    await until(lambda: archiver.trouble)
    before = set(archiver._held)
    new_archiver("another")
    await until(lambda: archiver._held and archiver._held.keys() < before)
    await holds(lambda: bool(archiver._held) and archiver._held.keys() < before and archiver.oldest() > 1, 2)
    store.refuses = False
    exactly_once(await complete(archive, feed), feed)
    await until(lambda: archiver.oldest() == 0)
