"""What one day did to one account's MRR in one currency: nothing, a renewal, a movement, or both. Pure.

All changes of a day are netted. Amounts are differences of evening balances that are rounded once, to 6 decimals, so
that opening balance and movements add up to the closing balance to the last digit.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple

from shared.mrr import ZERO, quantised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from decimal import Decimal
    from fractions import Fraction

    from services.revenue.facts import Fact

Kind = Literal["renewal", "new", "reactivation", "churn", "expansion", "contraction"]


class Movement(NamedTuple):
    """One row of the ledger. `renewed_amount` is set on renewals alone, whose `amount` is 0."""

    effective_on: date
    currency: str
    kind: Kind
    amount: Decimal
    mrr_before: Decimal
    mrr_after: Decimal
    renewed_amount: Decimal | None
    product_id: str | None
    event_ids: tuple[str, ...]
    backfill: bool


class Turn(NamedTuple):
    """An account's MRR in one currency in the evening before a day and in the evening of that day."""

    day: date
    currency: str
    before: Decimal
    after: Decimal


class Change(NamedTuple):
    """One subscription's step within a day: what was in force the evening before, and what is in the evening."""

    before: Fact | None
    after: Fact

    def currencies(self) -> set[str]:
        """Return the currencies of which it may change the balance."""
        return {one.currency for one in self if one is not None and one.mrr}

    def mrr(self, currency: str) -> tuple[Fraction, Fraction]:
        """Return the MRR before and after, as far as it is in `currency`."""
        before, after = (one.mrr if one is not None and one.currency == currency else ZERO for one in self)
        return before, after

    def delta(self, currency: str) -> Fraction:
        """Return by how much it changes the balance of `currency`."""
        before, after = self.mrr(currency)
        return ZERO if before == after else after - before

    def ends_term(self, turn: Turn) -> bool:
        """Return whether a paid term ends that day, as was known before."""
        return self.before is not None and self.before.term_end == turn.day and self.mrr(turn.currency)[0] > 0

    def starts(self, turn: Turn) -> bool:
        """Return whether it brings in revenue from that day on and did not before."""
        before, after = self.mrr(turn.currency)
        return not before and after > 0


def movements(turn: Turn, changes: Sequence[Change], *, paid_before: bool) -> Iterator[Movement]:
    """Yield the rows of one day: a renewal of what was due and goes on, then the change of the balance."""
    yield from _renewal(turn, changes)
    if turn.before != turn.after:
        moved = [change for change in changes if change.delta(turn.currency)]
        yield _row(turn, _kind(turn, paid_before=paid_before), _moved_products(turn, moved), moved)


def _renewal(turn: Turn, changes: Sequence[Change]) -> Iterator[Movement]:
    """Yield what goes on of the MRR whose term ended that day, in the same subscriptions or in ones that start then."""
    due = [one for one in changes if one.ends_term(turn)]
    if not due:
        return
    heirs = [one for one in changes if one in due or one.starts(turn)]
    goes_on = min(
        sum((one.mrr(turn.currency)[0] for one in due), ZERO), sum((one.mrr(turn.currency)[1] for one in heirs), ZERO)
    )
    if quantised(goes_on):
        products = {product for one in due if one.before for product in one.before.products}
        row = _row(turn._replace(after=turn.before), "renewal", products, heirs)
        yield row._replace(renewed_amount=quantised(goes_on))


def _kind(turn: Turn, *, paid_before: bool) -> Kind:
    """Name the change of a balance. From and to nothing come first: a return is no expansion, an end no contraction."""
    if not turn.before:
        return "reactivation" if paid_before else "new"
    if not turn.after:
        return "churn"
    return "expansion" if turn.after > turn.before else "contraction"


def _moved_products(turn: Turn, changes: Sequence[Change]) -> set[str]:
    steps: dict[str, Fraction] = defaultdict(lambda: ZERO)
    for change in changes:
        for sign, one in ((-1, change.before), (1, change.after)):
            if one is not None and one.currency == turn.currency:
                for product, mrr in one.products.items():
                    steps[product] += sign * mrr
    return {product for product, step in steps.items() if step}


def _row(turn: Turn, kind: Kind, products: set[str], rests_on: Sequence[Change]) -> Movement:
    """Write a row; it names the product when it concerns just one, and the events it rests on."""
    sources = [change.after.learned for change in rests_on]
    return Movement(
        effective_on=turn.day,
        currency=turn.currency,
        kind=kind,
        amount=turn.after - turn.before,
        mrr_before=turn.before,
        mrr_after=turn.after,
        renewed_amount=None,
        product_id=next(iter(products)) if len(products) == 1 else None,
        event_ids=tuple(sorted({source.event_id for source in sources})),
        backfill=all(source.backfill for source in sources),
    )
