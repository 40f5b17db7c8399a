"""Sabotaged twins of the archive: what is found exactly once after a zombie is so because a name is given once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.archive.feeding import Feed, NewArchiver, complete, exactly_once, woken

if TYPE_CHECKING:
    from shared.archive.store import Store

SECONDS = 15


CAUGHT = {"overwrite": TimeoutError, "committed": AssertionError}
"""One that takes a name twice loses; one that trusts the broker's offsets repeats."""


@pytest.fixture(params=CAUGHT)
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    monkeypatch.setenv("KIZUNA_TWIN", name)
    return name


async def test_a_zombie_finds_every_twin_out(archive: Store, feed: Feed, new_archiver: NewArchiver, twin: str) -> None:
    await woken(archive, feed, new_archiver, "tests.chaos.archive_twin")
    with pytest.raises(CAUGHT[twin]):
        exactly_once(await complete(archive, feed, SECONDS), feed)
