"""Partition leases: a row with an epoch per partition number. Whoever claims last owns it; every transaction checks.

A claim waits for transactions of the former owner that are under way (they hold the row), and from then on the former
owner's checks fail: a replica that lost a partition, or woke from a long stop, can write nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.db import Database, fetch
from shared.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


LONGEST_TRANSACTION: Final = "30s"


class Leases:
    """The partitions that this replica owns, with their epochs. `owner` names the replica in the table."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self.owner = owner
        self._held: dict[int, int] = {}

    @property
    def held(self) -> tuple[int, ...]:
        """The partition numbers owned at present."""
        return tuple(self._held)

    async def claim(self, partitions: Iterable[int], now: datetime) -> None:
        """Take over `partitions` and let go of all others."""
        wanted = sorted(set(partitions))
        self._held = {}
        if not wanted:
            return
        async with self._database.transaction() as conn:
            rows = await fetch(
                conn,
                """insert into lease (partition, epoch, owner, claimed_at)
                   select p, 1, $2, $3 from unnest($1::int[]) p order by p
                   on conflict (partition) do update
                       set epoch = lease.epoch + 1, owner = excluded.owner, claimed_at = excluded.claimed_at
                   returning partition, epoch""",
                wanted,
                self.owner,
                now,
            )
        self._held = {row.partition: row.epoch for row in rows}

    def release(self) -> None:
        """Forget all leases at once: nothing may be written from here until the next claim."""
        self._held = {}

    async def check(self, conn: AsyncConnection, partitions: Iterable[int]) -> None:
        """Lock the lease rows of `partitions` for this transaction, which must then end within `LONGEST_TRANSACTION`.

        A claim waits for that lock. A process that stands still between two messages to the database is not idle to
        it, so only this bounds how long the partitions of one that does not wake up stay with it.

        Raises:
            LeaseLost: one of them is not ours (any more).

        """
        wanted = sorted(set(partitions))
        held = self._held
        rows = await fetch(
            conn,
            """select partition, epoch, set_config('transaction_timeout', $2, true) from lease
               where partition = any($1) order by partition for share""",
            wanted,
            LONGEST_TRANSACTION,
        )
        found = {row.partition: row.epoch for row in rows}
        lost = [p for p in wanted if p not in held or found.get(p) != held[p]]
        if lost:
            raise LeaseLost(f"Partitions {lost} are owned by another replica now.")
