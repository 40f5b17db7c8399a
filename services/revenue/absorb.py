"""Takes subscription snapshots into the facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.revenue import store
from shared.absorb import Due, Urgency
from shared.errors import BadEvent
from shared.events import SubscriptionSnapshot
from shared.mrr import snapshot_mrr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.absorb import Received

MOST_MRR: Final = 10**15
"""More than any customer pays in any currency; sums of it stay exact in every column and contract."""


class RevenueAbsorber:
    """Writes snapshots as they come; a live one makes its account due at once, a historical one in a while."""

    topics: tuple[str, ...] = ("billing.v1",)
    types: frozenset[str] = frozenset({"kizuna.subscription.snapshot"})

    def refuse(self, received: Received) -> BadEvent | None:
        """Refuse a snapshot whose MRR is beyond belief: its fields may each be sane and their product not."""
        data = received.event.data
        if isinstance(data, SubscriptionSnapshot) and snapshot_mrr(data) > MOST_MRR:
            return BadEvent(
                "absurd_number", "items: quantity x unit_amount makes an MRR of more than 10^15; check them"
            )
        return None

    async def absorb(self, conn: AsyncConnection, received: Sequence[Received]) -> Sequence[Due]:
        """Write a batch's snapshots and name the accounts they touch."""
        events = [one.event for one in received]
        await store.add(conn, [(one, one.data) for one in events if isinstance(one.data, SubscriptionSnapshot)])
        return [
            Due(one.event.subject, one.partition, Urgency.HISTORY if one.event.backfill else Urgency.GRAVE)
            for one in received
        ]
