"""Health that stores how far it has read before it has written what it read."""

from __future__ import annotations

import runpy
from dataclasses import replace
from typing import TYPE_CHECKING

from shared import positions
from shared.consumer import Consumer

if TYPE_CHECKING:
    from shared.ahead import Batch
    from shared.assignment import Assignment

_commit = Consumer._commit


async def commit_first(self: Consumer, batch: Batch, assignment: Assignment) -> None:
    if batch.offsets:
        async with self._database.transaction() as conn:
            await positions.advance(conn, assignment.cluster, batch.offsets, None)
        assignment.moved(batch.offsets)
    await _commit(self, replace(batch, offsets={}), assignment)


if __name__ == "__main__":
    Consumer._commit = commit_first  # type: ignore[method-assign] # the sabotage
    runpy.run_module("services.health", run_name="__main__")
