"""Health with an inbox that remembers nothing: every event is a new one."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

from shared.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


async def claim_all(
    self: Inbox, conn: AsyncConnection, live: Sequence[bytes], history: Sequence[bytes], now: datetime
) -> set[bytes]:
    return {*live, *history}


if __name__ == "__main__":
    Inbox.claim = claim_all  # type: ignore[method-assign] # the sabotage
    runpy.run_module("services.health", run_name="__main__")
