"""The movement ledger of one account: what its MRR did, day by day, and when that was learned. Pure.

Sums are exact fractions; the MRR at the end of a day is rounded once, to 6 decimals, and amounts are differences of
those rounded values, so that opening balance and movements add up to the closing balance to the last digit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple

from shared.mrr import item_mrr, quantised, snapshot_mrr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime, tzinfo
    from decimal import Decimal

    from shared.events import SubscriptionSnapshot

Kind = Literal["renewal", "new", "reactivation", "churn", "expansion", "contraction"]


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


class Booked(NamedTuple):
    """A row with the time it was learned, and the time at which something else was learned (None: still in force)."""

    movement: Movement
    recorded_at: datetime
    superseded_at: datetime | None


def fact(learned: Learned, snapshot: SubscriptionSnapshot, zone: tzinfo) -> Fact:
    """Price a snapshot; its day is the date of its effective time in the vendor's time zone."""
    mrr = snapshot_mrr(snapshot)
    products: dict[str, Fraction] = defaultdict(Fraction)
    for item in snapshot.items if mrr else ():
        products[item.product_id] += item_mrr(item)
    day = learned.effective.astimezone(zone).date()
    return Fact(learned, day, snapshot.subscription_id, snapshot.currency, mrr, products, snapshot.term_end)


def visible(facts: Iterable[Fact], as_of: datetime, known_at: datetime) -> list[Fact]:
    """Keep what had taken effect by `as_of` and had been received by `known_at`."""
    return [one for one in facts if one.learned.effective <= as_of and one.learned.recorded <= known_at]


def ledger(facts: Iterable[Fact]) -> list[Movement]:
    """Return the movements of one account, netted per day and currency, by day, currency and kind."""
    in_force: dict[str, Fact] = {}
    balance: dict[str, Fraction] = defaultdict(Fraction)
    paid: set[str] = set()
    movements: list[Movement] = []
    for day, latest in _by_day(facts):
        changes = [Change(in_force.get(one.subscription_id), one) for one in latest]
        in_force.update((one.subscription_id, one) for one in latest)
        for currency in sorted({currency for change in changes for currency in change.currencies()}):
            before = balance[currency]
            balance[currency] = before + sum((change.delta(currency) for change in changes), Fraction(0))
            turn = Turn(day, currency, quantised(before), quantised(balance[currency]))
            movements += _movements(turn, changes, paid_before=currency in paid)
            if turn.after:
                paid.add(currency)
    return movements


def history(facts: Sequence[Fact]) -> list[Booked]:
    """Return every row that was ever in force with the time from which, and until which, it was what we knew."""
    open_since: dict[Movement, datetime] = {}
    closed: list[Booked] = []
    for known_at in sorted({one.learned.recorded for one in facts}):
        rows = ledger(one for one in facts if one.learned.recorded <= known_at)
        gone = open_since.keys() - set(rows)
        closed += [Booked(row, open_since.pop(row), known_at) for row in gone]
        for row in rows:
            open_since.setdefault(row, known_at)
    booked = closed + [Booked(row, recorded_at, None) for row, recorded_at in open_since.items()]
    return sorted(booked, key=lambda row: (row.movement[:3], row.recorded_at))


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
        before, after = (one.mrr if one is not None and one.currency == currency else Fraction(0) for one in self)
        return before, after

    def delta(self, currency: str) -> Fraction:
        """Return by how much it changes the balance of `currency`."""
        before, after = self.mrr(currency)
        return after - before

    def product_deltas(self, currency: str) -> Iterator[tuple[str, Fraction]]:
        """Yield each product's step, in `currency`."""
        for sign, one in ((-1, self.before), (1, self.after)):
            if one is not None and one.currency == currency:
                yield from ((product, sign * mrr) for product, mrr in one.products.items())

    def ends_term(self, turn: Turn) -> bool:
        """Return whether paid time ends that day, as agreed before."""
        return self.before is not None and self.before.term_end == turn.day and self.mrr(turn.currency)[0] > 0

    def starts(self, turn: Turn) -> bool:
        """Return whether it brings in revenue from that day on and did not before."""
        before, after = self.mrr(turn.currency)
        return not before and after > 0


def _by_day(facts: Iterable[Fact]) -> list[tuple[date, list[Fact]]]:
    """Return the days on which something took effect, each with the fact that its evening leaves per subscription."""
    days: dict[date, dict[str, Fact]] = defaultdict(dict)
    for one in sorted(facts, key=Fact.order):
        days[one.day][one.subscription_id] = one
    return [(day, list(days[day].values())) for day in sorted(days)]


def _movements(turn: Turn, changes: Sequence[Change], *, paid_before: bool) -> Iterator[Movement]:
    """Yield the rows of one day: a renewal of what was due and goes on, then the change of the balance."""
    yield from _renewal(turn, changes)
    if turn.before != turn.after:
        steps: dict[str, Fraction] = defaultdict(Fraction)
        for change in changes:
            for product, step in change.product_deltas(turn.currency):
                steps[product] += step
        moved = [change for change in changes if change.delta(turn.currency)]
        yield _row(turn, _kind(turn, paid_before=paid_before), {name for name, step in steps.items() if step}, moved)


def _renewal(turn: Turn, changes: Sequence[Change]) -> Iterator[Movement]:
    """Yield what goes on of the MRR whose term ended that day, in the same subscriptions or in ones that start then."""
    due = [one for one in changes if one.ends_term(turn)]
    heirs = [one for one in changes if one in due or one.starts(turn)]
    amount = min(
        sum((one.mrr(turn.currency)[0] for one in due), Fraction(0)),
        sum((one.mrr(turn.currency)[1] for one in heirs), Fraction(0)),
    )
    if due and quantised(amount):
        products = {product for one in due if one.before for product in one.before.products}
        row = _row(turn._replace(after=turn.before), "renewal", products, heirs)
        yield row._replace(renewed_amount=quantised(amount))


def _kind(turn: Turn, *, paid_before: bool) -> Kind:
    """Name the change of a balance. From and to nothing come first: a return is no expansion, an end no contraction."""
    if not turn.before:
        return "reactivation" if paid_before else "new"
    if not turn.after:
        return "churn"
    return "expansion" if turn.after > turn.before else "contraction"


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
