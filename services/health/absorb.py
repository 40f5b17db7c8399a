"""Facts in: what health takes from a batch of events, written in bulk. Decides nothing."""

from collections.abc import Sequence
from datetime import timedelta, tzinfo
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.health import store, usage_store
from services.health.stored import ALIASED, BUILD, split
from services.health.usage import group, too_old
from shared.absorb import Due, Received, Urgency
from shared.errors import BadEvent
from shared.events import Event

USAGE: Final = "kizuna.usage.recorded"
KEPT: Final = timedelta(days=30)
"""How long ids of live events are remembered: older usage could not be told from a repetition."""

UNHURRIED: Final = frozenset({USAGE, "kizuna.account.profiled", ALIASED})
"""Types that come by the thousand, or change no score; everything else is looked at as soon as it is known."""


class HealthAbsorber:
    """Writes what health is told. `zone` is the deployment's time zone, in which days begin."""

    topics: tuple[str, ...] = ("usage.v1", "billing.v1", "customer.v1")
    types = frozenset({USAGE, ALIASED, *BUILD})

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def refuse(self, received: Received) -> BadEvent | None:
        """Refuse live usage that is too old to be recognised if it is repeated."""
        event = received.event
        if event.type == USAGE and too_old(event, KEPT):
            return BadEvent(
                "too_old", f"usage is more than {KEPT.days} days old: mark it as backfill to have it counted"
            )
        return None

    async def absorb(self, conn: AsyncConnection, received: Sequence[Received]) -> Sequence[Due]:
        """Write a batch inside the caller's transaction, in a handful of statements whatever its size."""
        usage = group((each.event for each in received if each.event.type == USAGE), self._zone)
        facts = [(each.event, split(each.event)) for each in received if each.event.type != USAGE]
        people = {(key.account_id, key.person) for key in usage}
        people |= {(event.subject, person) for event, parts in facts for person in parts.persons.values()}
        numbers = await store.number_persons(conn, people) if people else {}
        await usage_store.add_usage(conn, usage, numbers)
        await store.add_facts(conn, facts, numbers)
        return _due(received)


def urgency(event: Event) -> Urgency:
    """Return how soon an account must be looked at because of an event."""
    if event.backfill:
        return Urgency.HISTORY
    return Urgency.USAGE if event.type in UNHURRIED else Urgency.GRAVE


def _due(received: Sequence[Received]) -> Sequence[Due]:
    most: dict[str, Due] = {}
    for each in received:
        account, soon = each.event.subject, urgency(each.event)
        if account not in most or soon < most[account].urgency:
            most[account] = Due(account, each.partition, soon)
    return tuple(most.values())
