"""Events that the tests of alerts tell, with sensible defaults."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from shared.events import (
    AccountProfiled,
    Event,
    EventData,
    Evidence,
    Owner,
    OwnerAssigned,
    Signal,
    SignalCleared,
    SignalOpened,
    SignalUpdated,
    SubscriptionItem,
    SubscriptionSnapshot,
    Text,
    type_of,
)

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KINDS: dict[str, type[Signal]] = {"opened": SignalOpened, "updated": SignalUpdated, "cleared": SignalCleared}
HANAKO = Owner(id="hanako", email="hanako@vendor.example", name="山田花子", slack_id="U0HANAKO01", locale="ja-JP")
JANE = Owner(id="jane", email="jane@vendor.example", name="Jane Roe", slack_id="U0JANE0001", locale="en-GB")
_numbers = count()


def event(account: str, data: EventData, at: datetime = START, name: str | None = None) -> Event:
    return Event(name or f"e{next(_numbers)}", "test", type_of(data), account, at, at, data)


def evidence(fact: str = "left", en: str = "Ken Sato has left.", ja: str = "佐藤健さんが離任しました。") -> Evidence:
    return Evidence(fact=fact, text=Text(en=en, ja=ja), event_ids=[fact])


def signal(kind: str = "opened", at: datetime = START, **more: Any) -> Signal:
    given: dict[str, Any] = {
        "signal": "champion_left",
        "subject_id": "c1",
        "episode": "first",
        "severity": "high",
        "since": at,
        "evidence": [evidence()],
        "next_step": Text(en="Ask who takes over.", ja="後任を確認してください。"),
    }
    return KINDS[kind](**(given | more))


def told(account: str, kind: str = "opened", at: datetime = START, **more: Any) -> Event:
    return event(account, signal(kind, at, **more), at)


def owner(account: str, person: Owner | None, role: Any = "csm", at: datetime = START - timedelta(days=9)) -> Event:
    return event(account, OwnerAssigned(role=role, person=person), at)


def profile(account: str, name: str, renewal_on: date | None = date(2099, 9, 30)) -> Event:
    return event(account, AccountProfiled(name=name, renewal_on=renewal_on), START - timedelta(days=9))


def subscription(account: str, amount: str, currency: str = "USD", **more: Any) -> Event:
    item = SubscriptionItem(
        item_id="i1", product_id="p1", quantity=Decimal(1), unit_amount=Decimal(amount), interval="month"
    )
    given: dict[str, Any] = {"subscription_id": "s1", "status": "active", "currency": currency, "items": [item]}
    return event(account, SubscriptionSnapshot(**(given | more)), START - timedelta(days=9))
