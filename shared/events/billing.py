"""Owns what billing systems say (`billing.v1`), normalised: subscriptions as whole snapshots, invoices as facts."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from shared.events.fields import Currency, EventData, Id, Instant, Name, bounded, dated

MOST_PERCENT = 100


class SubscriptionItem(EventData, frozen=True, kw_only=True):
    """One priced position: `quantity` x `unit_amount` every `interval_count` intervals, less `discount_percent`."""

    item_id: Id
    product_id: Id
    quantity: Decimal
    unit_amount: Decimal
    interval: Literal["day", "week", "month", "year"]
    interval_count: Annotated[int, Meta(ge=1, le=1000)] = 1
    discount_percent: Decimal | None = None

    def __post_init__(self) -> None:
        bounded(self, "quantity", least=0)
        bounded(self, "unit_amount")
        bounded(self, "discount_percent", least=0, most=MOST_PERCENT)


class SubscriptionSnapshot(EventData, frozen=True, kw_only=True):
    """`kizuna.subscription.snapshot`: how a subscription stands from `time` on; replaces its former one whole."""

    subscription_id: Id
    status: Literal["trialing", "active", "past_due", "paused", "unpaid", "ended"]
    currency: Currency
    items: list[SubscriptionItem]
    term_start: date | None = None
    term_end: date | None = None
    end_reason: Name | None = None
    raw: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        dated(self, "term_start", "term_end")


class InvoicePaid(EventData, frozen=True, kw_only=True):
    """`kizuna.invoice.paid`: an invoice was paid."""

    invoice_id: Id
    amount: Decimal
    currency: Currency
    subscription_id: Id | None = None

    def __post_init__(self) -> None:
        bounded(self, "amount")


class InvoicePaymentFailed(EventData, frozen=True, kw_only=True):
    """`kizuna.invoice.payment_failed`: an attempt to collect an invoice failed; the provider may try again."""

    invoice_id: Id
    amount: Decimal
    currency: Currency
    subscription_id: Id | None = None
    attempt: Annotated[int, Meta(ge=0, le=1000)] | None = None
    next_attempt_at: Instant | None = None

    def __post_init__(self) -> None:
        bounded(self, "amount")
        dated(self, "next_attempt_at")
