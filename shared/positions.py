"""How far this service has read: per topic and partition, with the identity of the cluster the offsets belong to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shared.db import execute, fetch, fetch_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.kafka import Place

# Receipt is stamped before the broker's ack, which may take as long as the publisher's deadline.
RECEIPT_TO_LOG = timedelta(seconds=5)


class Stored(NamedTuple):
    """A stored position and the cluster it belongs to. `through`: when nothing was waiting there the last time."""

    cluster: str
    next_offset: int
    through: datetime | None = None


async def load(conn: AsyncConnection, places: Iterable[Place]) -> dict[Place, Stored]:
    """Return the stored positions of `places`; a place that was never read is absent."""
    wanted = set(places)
    rows = await fetch(conn, "select topic, partition, cluster, next_offset, absorbed_through from position")
    return {
        (row.topic, row.partition): Stored(row.cluster, row.next_offset, row.absorbed_through)
        for row in rows
        if (row.topic, row.partition) in wanted
    }


async def advance(conn: AsyncConnection, cluster: str, offsets: Mapping[Place, int], through: datetime | None) -> None:
    """Store the next offset to read of each place. `through`: everything logged before it has been absorbed there."""
    places = list(offsets)
    await execute(
        conn,
        """insert into position (topic, partition, cluster, next_offset, absorbed_through)
           select t, p, $3, o, $5 from unnest($1::text[], $2::int[], $4::bigint[]) as r(t, p, o)
           on conflict (topic, partition) do update
              set cluster = excluded.cluster, next_offset = excluded.next_offset,
                  absorbed_through = coalesce(excluded.absorbed_through, position.absorbed_through)""",
        [place[0] for place in places],
        [place[1] for place in places],
        cluster,
        [offsets[place] for place in places],
        through,
    )


async def mark_current(conn: AsyncConnection, places: Iterable[Place], through: datetime) -> None:
    """Note that nothing was waiting at `places` at the moment `through`."""
    listed = list(places)
    await execute(
        conn,
        """update position set absorbed_through = $3
           from unnest($1::text[], $2::int[]) as r(t, p) where topic = t and partition = p""",
        [place[0] for place in listed],
        [place[1] for place in listed],
        through,
    )


async def report(conn: AsyncConnection, kind: str, detail: Mapping[str, object], now: datetime) -> None:
    """Keep an incident (a gap, a younger or another cluster) where ops will find it: `/v1/status`."""
    await execute(
        conn,
        "insert into incident (at, kind, detail) values ($1, $2, $3::jsonb)",
        now,
        kind,
        msgspec.json.encode(detail).decode(),
    )


async def positions(conn: AsyncConnection, partition: int) -> dict[str, int]:
    """Return the next offset to read of every topic, for one partition."""
    rows = await fetch(conn, "select topic, next_offset from position where partition = $1", partition)
    return {row.topic: row.next_offset for row in rows}


async def highest_partition(conn: AsyncConnection) -> int | None:
    """Return the highest partition number that was ever read; None before the first start."""
    row = await fetch_one(conn, "select max(partition) as highest from position")
    return row.highest if row else None


async def cluster_of(conn: AsyncConnection, partition: int) -> str | None:
    """Return the identity of the cluster that the positions of a partition belong to."""
    row = await fetch_one(conn, "select cluster from position where partition = $1 limit 1", partition)
    return row.cluster if row else None


async def absorbed_through(conn: AsyncConnection, partition: int) -> datetime | None:
    """Return the moment of receipt before which every event of this partition has been absorbed; None: unknown."""
    row = await fetch_one(
        conn,
        "select min(absorbed_through) as through, bool_and(absorbed_through is not null) as known "
        "from position where partition = $1",
        partition,
    )
    return row.through - RECEIPT_TO_LOG if row and row.known else None
