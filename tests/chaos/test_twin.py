"""A sabotaged twin: with an inbox that remembers nothing, the repetitions that a kill causes would be counted twice.

What the kill test finds equal is equal because of the inbox, and not because nothing was ever repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.inbox import Inbox
from tests.plugins.runtime import Running, Toy, effects, record, until, usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.db import Database
    from shared.produce import Publisher

EVENTS = 20


class Forgetful(Inbox):
    """Takes every event for a new one."""

    async def claim(
        self, conn: AsyncConnection, live: Sequence[bytes], history: Sequence[bytes], now: datetime
    ) -> set[bytes]:
        return {*live, *history}


@pytest.mark.parametrize(("inbox", "times"), [(Inbox, 1), (Forgetful, 2)])
async def test_only_the_inbox_tells_a_repetition(
    running: Running, publisher: Publisher, toy_database: Database, inbox: type[Inbox], times: int
) -> None:
    events = [usage(f"a{n}", f"e{n}") for n in range(EVENTS)]
    behind = [usage(f"a{n}", f"behind{n}") for n in range(EVENTS)]

    async def absorbed(last: str) -> bool:
        found = await effects(toy_database)
        return all(f"{last}{n}" in found for n in range(EVENTS))

    async with running(Toy()) as runtime:
        runtime.consumer._inbox = inbox()
        await publisher.publish([record(each) for each in events])
        await until(lambda: absorbed("e"))
        await publisher.publish([record(each) for each in [*events, *behind]])
        await until(lambda: absorbed("behind"))
    found = await effects(toy_database)
    assert {found.count(f"e{n}") for n in range(EVENTS)} == {times}
