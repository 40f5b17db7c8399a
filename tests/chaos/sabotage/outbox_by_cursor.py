"""Health whose relay remembers the last id that it has sent and looks for greater ones."""

from __future__ import annotations

import runpy
from collections import defaultdict

from shared.db import execute, fetch
from shared.outbox import BATCH, Relay, _record

_last: dict[int, int] = defaultdict(int)  # by partition, the most careful form of this mistake


async def relay_above(self: Relay) -> int:
    sent = 0
    for partition in self._leases.held:
        async with self._database.snapshot() as conn:
            rows = await fetch(
                conn,
                """select id, topic, key, value, headers from outbox where partition = $1 and id > $2
                   order by id limit $3""",
                *(partition, _last[partition], BATCH),
            )
        if rows:
            await self._publisher.publish([_record(row.topic, row.key, row.value, row.headers) for row in rows])
            _last[partition] = rows[-1].id
            async with self._database.transaction() as conn:
                await execute(conn, "delete from outbox where id = any($1::bigint[])", [row.id for row in rows])
        sent += len(rows)
    return sent


if __name__ == "__main__":
    Relay.relay_once = relay_above  # type: ignore[method-assign] # the sabotage
    runpy.run_module("services.health", run_name="__main__")
