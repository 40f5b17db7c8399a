"""Sabotaged twins of the archive: what is found exactly once after a zombie is so because a name is given once."""

import os
import signal

import psutil
import pytest

from shared.archive.store import Store
from tests.chaos.archive_twin import WRITTEN
from tests.integration.archive.feeding import HOLD_SECONDS, Feed, NewArchiver, complete, exactly_once
from tests.plugins.runtime import until

SECONDS = 3

CAUGHT = {"overwrite": TimeoutError, "committed": AssertionError}
"""One that takes a name twice loses; one that trusts the broker's offsets repeats."""


@pytest.mark.parametrize("twin", CAUGHT)
async def test_a_zombie_finds_every_twin_out(
    archive: Store, feed: Feed, new_archiver: NewArchiver, twin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica is stopped while it writes; another one writes the same and more; the first one is woken.

    The other one waits a while before it writes: what it finds is to be in one file, also where it comes bit by bit.
    """
    monkeypatch.setenv("KIZUNA_TWIN", twin)
    await feed.send(64)
    first = new_archiver("first", "tests.chaos.archive_twin", KIZUNA_STOP="1")
    zombie = psutil.Process(first.pid())
    await until(lambda: zombie.status() == psutil.STATUS_STOPPED)
    await feed.send(64)
    new_archiver("second", "tests.chaos.archive_twin", KIZUNA_ARCHIVE_FLUSH_SECONDS=str(HOLD_SECONDS))
    await complete(archive, feed)
    os.kill(zombie.pid, signal.SIGCONT)
    await until(lambda: WRITTEN in first.log.read_text())
    with pytest.raises(CAUGHT[twin]):
        exactly_once(await complete(archive, feed, SECONDS), feed)
