"""Short ways to write snapshots, the events that carry them and the facts they make."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.revenue.facts import Fact, Learned, fact
from shared.events import Event, SubscriptionItem, SubscriptionSnapshot

if TYPE_CHECKING:
    from datetime import date, tzinfo


def item(amount: str, product: str = "plan", **more: Any) -> SubscriptionItem:
    """Build a monthly item; `discount` is in percent."""
    return SubscriptionItem(
        item_id=f"item-{product}",
        product_id=product,
        quantity=Decimal(more.get("quantity", "1")),
        unit_amount=Decimal(amount),
        interval=more.get("interval", "month"),
        interval_count=more.get("interval_count", 1),
        discount_percent=Decimal(more["discount"]) if "discount" in more else None,
    )


def snapshot(*items: SubscriptionItem, **more: Any) -> SubscriptionSnapshot:
    """Build an active snapshot in USD, of subscription `s` unless named otherwise."""
    given = {"subscription_id": "s", "status": "active", "currency": "USD", **more}
    return SubscriptionSnapshot(items=list(items), **given)


def at(day: date | str, hour: int = 0) -> datetime:
    """Return an hour of a day, UTC."""
    return datetime.fromisoformat(f"{day}T{hour:02}:00:00").replace(tzinfo=UTC)


def event(name: str, time: datetime, data: SubscriptionSnapshot, **more: Any) -> Event:
    """Build an event of account `a`, received when it took effect unless `recorded` says otherwise."""
    return Event(
        id=name,
        source=more.get("source", "test"),
        type="kizuna.subscription.snapshot",
        subject=more.get("account", "a"),
        time=time,
        recordedtime=more.get("recorded", time),
        data=data,
        backfill=more.get("backfill", False),
    )


def known(one: Event, zone: tzinfo = UTC) -> Fact:
    """Price an event's snapshot."""
    assert isinstance(one.data, SubscriptionSnapshot)
    return fact(Learned(one.source, one.id, one.time, one.recordedtime, one.backfill), one.data, zone)
