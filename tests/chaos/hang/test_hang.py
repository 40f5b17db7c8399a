"""A small `make hang`: a few clients, short faults. How long things may take is judged more generously than there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.hang.case import watch
from tests.chaos.hang.judge import Promise, broken, table
from tests.chaos.hang.world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 10
SECONDS = 8
CASES = ("broker swallowed", "postgres swallowed")  # the worst; `make hang` has them all
ON_A_BUSY_MACHINE = Promise(request=12, back=40, end=14, codes=(0, 1))  # 1: told to go, and cut off before it was done


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hang")) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", CASES)
async def test_nothing_hangs(fault: str, running: World) -> None:
    seen = await watch(running, fault, CLIENTS, SECONDS)
    assert not broken(seen, ON_A_BUSY_MACHINE), table([seen], ON_A_BUSY_MACHINE)
