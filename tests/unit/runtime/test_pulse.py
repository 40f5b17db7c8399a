"""A server that is slow is waited for; one that is silent is given up, and whoever waits for it is told."""

import asyncio

import pytest

from shared import pulse
from shared.pulse import Silent, stuck, until_answered, until_silent, while_it_answers


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(pulse, "SLICE_SECONDS", 0.05)
    monkeypatch.setattr(pulse, "REST_SECONDS", 0.01)


async def hangs() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ConnectionRefusedError


@pytest.mark.parametrize("ask", [hangs, fails])
async def test_silence_and_errors_are_no_sign_of_life(ask: pulse.Ask) -> None:
    async with asyncio.timeout(20):
        await until_silent(ask)
        with pytest.raises(Silent):
            async with while_it_answers(ask):
                await asyncio.sleep(20)


async def test_who_answers_late_or_not_every_time_is_there() -> None:
    answers = iter(range(1000))

    async def hesitates() -> None:
        await asyncio.sleep(0.06)
        if next(answers) % 2:
            raise ConnectionRefusedError

    async with while_it_answers(hesitates):
        await asyncio.sleep(1)
    assert next(answers) > 3


async def test_the_first_answer_ends_the_asking_however_many_still_wait() -> None:
    numbers = iter(range(1000))

    async def third_time() -> None:
        number = next(numbers)
        if number == 1:
            raise ConnectionRefusedError
        if number < 2:
            await hangs()

    async with asyncio.timeout(20):
        await until_answered(third_time, 0.02)
    assert next(numbers) == 3


async def test_an_error_of_the_block_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        async with while_it_answers(lambda: asyncio.sleep(0)):
            raise ZeroDivisionError


def test_a_loop_without_progress_is_named() -> None:
    assert "no progress for" in str(stuck(-1e9))
    assert stuck(float("inf")) is None
