"""The life of a process: signals drain, crashes end it, nobody waits for ever."""

import asyncio
import os
import signal
import socket
import time

import pytest

from shared import service
from shared.service import Part, http_part, serve


def part(name: str, seconds: float | None = None, error: Exception | None = None) -> tuple[Part, list[str]]:
    """Return a part that ends by itself after `seconds`, or when told to; and what it did."""
    did: list[str] = []

    async def run(stop: asyncio.Event) -> None:
        did.append("began")
        if seconds is None:
            await stop.wait()
        else:
            await asyncio.sleep(seconds)
        if error:
            raise error
        did.append("drained")

    return Part(name, run), did


def terminate_soon() -> None:
    asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)


async def test_a_signal_drains_every_part_and_exits_0() -> None:
    one, did_one = part("one")
    two, did_two = part("two")
    terminate_soon()
    assert await serve([one, two]) == 0
    assert did_one == did_two == ["began", "drained"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit("Port taken")])
async def test_a_crash_takes_the_process_down_with_1(error: Exception) -> None:
    broken, _ = part("broken", 0.05, error)
    other, did = part("other")
    assert await serve([broken, other]) == 1
    assert did == ["began", "drained"]


async def test_a_part_that_ends_by_itself_is_a_crash_too() -> None:
    ended, _ = part("ended", 0.05)
    other, did = part("other")
    assert await serve([ended, other]) == 1
    assert did == ["began", "drained"]


async def test_a_part_that_does_not_come_to_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FAREWELL_SECONDS", 0.2)
    deaf, _ = part("deaf", 60)
    other, did = part("other")
    terminate_soon()
    began = time.monotonic()
    assert await serve([deaf, other]) == 0
    assert time.monotonic() - began < 5
    assert did == ["began", "drained"]


async def test_a_taken_port_names_the_variable_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit, match="KIZUNA_TOY_PORT"):
            http_part(None, "127.0.0.1", taken.getsockname()[1], "KIZUNA_TOY_PORT")
