"""Brings the stored ledger of due accounts up to their facts, and tells others about the rows that are new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from hashlib import blake2b
from typing import TYPE_CHECKING

from services.revenue import store
from services.revenue.facts import next_effect, visible
from services.revenue.ledger import history
from shared.absorb import Evaluated
from shared.events import Event, MovementBooked, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.revenue.facts import Fact
    from services.revenue.ledger import Booked
    from shared.absorb import DueAccount

SOURCE = "kizuna/revenue"


@dataclass(frozen=True, slots=True)
class Step:
    """From the stored rows of an account to those that its facts make: what to remove, what to write."""

    account_id: str
    stale: frozenset[Booked]
    fresh: tuple[Booked, ...]
    next_effect: datetime | None


class RevenueEvaluator:
    """Compares the ledger with what is stored. `zone`: the vendor's time zone, whose days the ledger has."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    async def evaluate(
        self, conn: AsyncConnection, accounts: Sequence[DueAccount], now: datetime
    ) -> Sequence[Evaluated]:
        """Rewrite what changed and emit `movement_booked` for each row that came into force; one entry an account."""
        names = [one.account_id for one in accounts]
        await store.see(conn, names)
        facts = await store.facts(conn, names, self._zone)
        stored = await store.booked(conn, names)
        steps = [step(name, facts.get(name, []), stored.get(name, set()), now) for name in names]
        await store.strike(conn, ((one.account_id, row) for one in steps for row in one.stale))
        await store.book(conn, [(one.account_id, row) for one in steps for row in one.fresh])
        await store.look_ahead(conn, {one.account_id: one.next_effect for one in steps})
        return [
            Evaluated(one.account_id, one.next_effect, tuple(announcements(one.account_id, one.fresh, self._zone)))
            for one in steps
        ]


def step(account_id: str, facts: Sequence[Fact], stored: set[Booked], now: datetime) -> Step:
    """Compare what is stored with what the facts make of everything that has taken effect by `now`."""
    wanted = history(visible(facts, as_of=now))
    fresh = tuple(row for row in wanted if row not in stored)
    return Step(account_id, frozenset(stored.difference(wanted)), fresh, next_effect(facts, now))


def announcements(account_id: str, rows: Iterable[Booked], zone: tzinfo) -> Iterable[Event]:
    """Yield an event for each row in force. Its id is a hash of what it says, so saying it twice is saying it once."""
    for row in rows:
        if row.superseded_at is None:
            moved = row.movement
            identity = repr((account_id, row.recorded_at.astimezone(UTC).isoformat(), *map(str, moved)))
            data = MovementBooked(
                effective_on=moved.effective_on,
                kind=moved.kind,
                amount=moved.amount,
                mrr_before=moved.mrr_before,
                mrr_after=moved.mrr_after,
                currency=moved.currency,
                product_id=moved.product_id,
                event_ids=list(moved.event_ids),
            )
            yield Event(
                id=blake2b(identity.encode(), digest_size=16).hexdigest(),
                source=SOURCE,
                type=type_of(data),
                subject=account_id,
                time=datetime.combine(moved.effective_on, time(), zone).astimezone(UTC),
                recordedtime=row.recorded_at,
                data=data,
                backfill=moved.backfill,
            )
