"""What revenue knows: subscription snapshots, priced exactly, when they hold and when they were learned. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.mrr import item_mrr, snapshot_mrr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, tzinfo
    from fractions import Fraction

    from shared.events import SubscriptionSnapshot


LATEST: Final = datetime.max.replace(tzinfo=UTC)
"""Later than every receipt: clocks of two machines differ, so what is here is known, whatever its stamp says."""


class Learned(NamedTuple):
    """Where a snapshot comes from: its event, when it takes effect, when it was received, if it is marked history."""

    source: str
    event_id: str
    effective: datetime
    recorded: datetime
    backfill: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """How one subscription stands from a moment on: its MRR in all and by product, in `currency`, exact."""

    learned: Learned
    day: date
    subscription_id: str
    currency: str
    mrr: Fraction
    products: Mapping[str, Fraction]
    term_end: date | None

    def order(self) -> tuple[datetime, datetime, str, str]:
        """Sort key by which the last fact of a subscription is the one in force."""
        known = self.learned
        return known.effective, known.recorded, known.event_id, known.source


def fact(learned: Learned, snapshot: SubscriptionSnapshot, zone: tzinfo) -> Fact:
    """Price a snapshot; its day is the date of its effective time in the vendor's time zone."""
    mrr = snapshot_mrr(snapshot)
    day = learned.effective.astimezone(zone).date()
    products = _by_product(snapshot, mrr) if mrr else {}
    return Fact(learned, day, snapshot.subscription_id, snapshot.currency, mrr, products, snapshot.term_end)


def visible(facts: Iterable[Fact], as_of: datetime, known_at: datetime = LATEST) -> list[Fact]:
    """Keep what had taken effect by `as_of` and had been received by `known_at` (without it: all that is here)."""
    return [one for one in facts if one.learned.effective <= as_of and one.learned.recorded <= known_at]


def next_effect(facts: Iterable[Fact], now: datetime) -> datetime | None:
    """Return when the next snapshot that is known already takes effect, or None."""
    return min((one.learned.effective for one in facts if one.learned.effective > now), default=None)


def _by_product(snapshot: SubscriptionSnapshot, mrr: Fraction) -> Mapping[str, Fraction]:
    if len(snapshot.items) == 1:
        return {snapshot.items[0].product_id: mrr}
    products: dict[str, Fraction] = defaultdict(type(mrr))
    for item in snapshot.items:
        products[item.product_id] += item_mrr(item)
    return products
