"""Health that writes for a partition without looking whether it still owns it."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

from shared.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection


async def trust(self: Leases, conn: AsyncConnection, partitions: Iterable[int]) -> None:
    return


if __name__ == "__main__":
    Leases.check = trust  # type: ignore[method-assign] # the sabotage
    runpy.run_module("services.health", run_name="__main__")
