"""Facts in: signals, who accounts are and who owns them, and what they pay. Only a signal makes an account due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.alerts import store
from shared.absorb import Due, Received, Urgency
from shared.events import TYPES, AccountProfiled, OwnerAssigned, Signal, SubscriptionSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.errors import BadEvent

USED = (Signal, AccountProfiled, OwnerAssigned, SubscriptionSnapshot)


class AlertsAbsorber:
    """Writes what alerts are made of."""

    topics: tuple[str, ...] = ("signals.v1", "customer.v1", "billing.v1")
    types = frozenset(entry.name for entry in TYPES.values() if issubclass(entry.data, USED))

    def refuse(self, received: Received) -> BadEvent | None:
        """Nothing that decodes is refused here: it can be counted."""
        del received
        return None

    async def absorb(self, conn: AsyncConnection, received: Sequence[Received]) -> Sequence[Due]:
        """Write a batch in bulk; accounts with signals are due at once, others wait for one."""
        events = [each.event for each in received]
        signals = [each for each in received if isinstance(each.event.data, Signal)]
        await store.add_signals(conn, [each.event for each in signals])
        await store.add_profiles(conn, [(e, e.data) for e in events if isinstance(e.data, AccountProfiled)])
        await store.add_owners(conn, [(e, e.data) for e in events if isinstance(e.data, OwnerAssigned)])
        await store.add_subscriptions(conn, [(e, e.data) for e in events if isinstance(e.data, SubscriptionSnapshot)])
        return [Due(each.event.subject, each.partition, Urgency.GRAVE) for each in signals]
