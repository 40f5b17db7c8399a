"""A member that waits to be let into its group can be told to stop, whatever the client makes of it."""

import asyncio
import contextlib
import time
from typing import Any

import pytest

from shared import kafka_connections
from shared.cluster import Cluster
from shared.kafka_reader import Group, Reader


class Outside:
    """A client that is never let in; a deaf one minds no cancellation either."""

    def __init__(self, *, deaf: bool) -> None:
        self.deaf = deaf
        self.released = asyncio.Event()

    def subscribe(self, *_: object, **__: object) -> None:
        pass

    async def start(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        if self.deaf:
            await self.released.wait()


@pytest.mark.parametrize("deaf", [False, True])
async def test_who_waits_for_the_group_can_be_stopped(*, deaf: bool) -> None:
    reader: Any = Reader(Cluster("127.0.0.1:1"), Group("g", 4), ["usage.v1"])
    await reader._client.stop()
    reader._client = outside = Outside(deaf=deaf)
    looked, stop = list[float](), asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, stop.set)
    began = time.monotonic()
    async with asyncio.timeout(5):
        await reader.start(lambda: looked.append(time.monotonic()), stop)
    assert looked
    assert time.monotonic() - began < 2
    outside.released.set()
    await asyncio.sleep(0)


class Deaf:
    """A client whose stop ends only when told so, however often it is cancelled."""

    def __init__(self) -> None:
        self.released = False
        self.cancelled = 0

    async def stop(self) -> None:
        while not self.released:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                self.cancelled += 1

    close = stop


async def test_a_stop_that_minds_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_connections, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(kafka_connections, "CUT_SECONDS", 0.1)
    deaf: Any = Deaf()
    async with asyncio.timeout(2):
        await kafka_connections.stop(deaf, deaf)
    assert deaf.cancelled
    deaf.released = True
    await asyncio.sleep(0.05)


async def test_what_a_stop_raises_concerns_nobody() -> None:
    class Failing:
        async def stop(self) -> None:
            raise OSError("gone")

    failing: Any = Failing()
    await kafka_connections.stop(failing, failing)
