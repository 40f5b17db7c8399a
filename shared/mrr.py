"""What a subscription is worth a month, in exact fractions; and how an amount is written down.

Owns the one definition of MRR that revenue's ledger and everybody else who shows "MRR at stake" share.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shared.events import SubscriptionItem, SubscriptionSnapshot

MONTHS_SHARE: Final = {
    "year": Fraction(1, 12),
    "month": Fraction(1),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}
"""How many of an interval fit into an average month."""

COUNTED: Final = frozenset({"active", "past_due"})
"""Statuses that bring in revenue: a late payer is still a customer, a trial is not one yet."""

ZERO: Final = Fraction(0)
SCALE: Final = 6
SHOWN: Final = 2


@lru_cache(maxsize=10_000)  # few prices make many snapshots, and one answer may price a whole portfolio
def item_mrr(item: SubscriptionItem) -> Fraction:
    """MRR of one item, in units of its currency: amount x quantity x (1 - discount) x months share / interval count."""
    share = MONTHS_SHARE[item.interval] / item.interval_count
    kept = 1 - Fraction(item.discount_percent or 0) / 100
    return share * Fraction(item.quantity) * Fraction(item.unit_amount) * kept


def snapshot_mrr(snapshot: SubscriptionSnapshot) -> Fraction:
    """MRR of one subscription as its snapshot says; 0 unless it is active or past due, and never below 0."""
    if snapshot.status not in COUNTED:
        return ZERO
    return max(ZERO, sum((item_mrr(item) for item in snapshot.items), ZERO))


@lru_cache(maxsize=10_000)
def quantised(value: Fraction | Decimal) -> Decimal:
    """Round to 6 decimals, halves to even, exactly: a literal is not cut to the precision of a decimal context."""
    return Decimal(f"{round(Fraction(value) * 10**SCALE)}E-{SCALE}")


def money(value: Fraction | Decimal) -> str:
    """Write an amount: 6 decimals half-even, at least 2 shown, zeros beyond those cut ("218208.00", "130.416667")."""
    whole, _, decimals = f"{quantised(value):f}".partition(".")
    text = f"{whole}.{decimals[:SHOWN]}{decimals[SHOWN:].rstrip('0')}"
    return text.removeprefix("-") if not text.strip("-0.") else text
