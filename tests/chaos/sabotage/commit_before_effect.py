"""Health that stores how far it has read before it has written what it read."""

from __future__ import annotations

import runpy
from dataclasses import replace
from typing import TYPE_CHECKING

from shared import positions
from shared.consumer import Consumer

if TYPE_CHECKING:
    from shared.absorb import Log
    from shared.ahead import Batch

_commit = Consumer._commit


async def commit_first(self: Consumer, batch: Batch, source: Log) -> None:
    if batch.offsets:
        async with self._database.transaction() as conn:
            await positions.advance(conn, source.cluster, batch.offsets, None)
        source.moved(batch.offsets, batch.newest)
    await _commit(self, replace(batch, offsets={}), source)


if __name__ == "__main__":
    Consumer._commit = commit_first  # type: ignore[method-assign] # the sabotage
    runpy.run_module("services.health", run_name="__main__")
