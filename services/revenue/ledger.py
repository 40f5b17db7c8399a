"""The movement ledger of one account: what its MRR did, day by day, and when that was learned. Pure.

The order in which facts arrive and how often does not matter: a day's evening is a function of the facts known for it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from services.revenue.movement import Change, Movement, Turn, movements
from shared.mrr import ZERO, quantised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime
    from fractions import Fraction

    from services.revenue.facts import Fact


class Booked(NamedTuple):
    """A row with the time it was learned, and the time at which something else was learned (None: still in force)."""

    movement: Movement
    recorded_at: datetime
    superseded_at: datetime | None

    def order(self) -> tuple[date, str, bool, datetime]:
        """Sort key: by day and currency, renewals first, then as they were learned."""
        moved = self.movement
        return moved.effective_on, moved.currency, moved.kind != "renewal", self.recorded_at


def ledger(facts: Iterable[Fact]) -> list[Movement]:
    """Return the movements of one account, netted per day and currency, by day and currency, renewals first."""
    return Books().learn(list(facts)).came


def standing(facts: Iterable[Fact]) -> Evening:
    """Return how an account stands after all of `facts`."""
    books = Books()
    books.learn(list(facts))
    return books.last


def history(facts: Iterable[Fact]) -> list[Booked]:
    """Return every row that was ever in force, with the time from which and until which it was what we knew."""
    books = Books()
    known_since: dict[Movement, datetime] = {}
    closed: list[Booked] = []
    for known_at, learned in groupby(sorted(facts, key=_recorded), _recorded):
        lesson = books.learn(list(learned))
        came = set(lesson.came)
        closed += [Booked(row, known_since.pop(row), known_at) for row in lesson.gone if row not in came]
        for row in lesson.came:
            known_since.setdefault(row, known_at)
    open_rows = [Booked(row, recorded_at, None) for row, recorded_at in known_since.items()]
    return sorted(
        closed + open_rows, key=lambda one: (one.movement[:2], one.recorded_at, one.movement.kind != "renewal")
    )


class Lesson(NamedTuple):
    """What learning did to the books: rows of the rewritten days, as they were and as they are now."""

    gone: list[Movement]
    came: list[Movement]


class Evening(NamedTuple):
    """How an account stands at the end of a day (subscriptions that bring in revenue), and the rows of that day."""

    in_force: Mapping[str, Fact]
    balance: Mapping[str, Fraction]
    paid: frozenset[str]
    rows: tuple[Movement, ...]


NEVER = Evening({}, {}, frozenset(), ())


class Books:
    """An account's books, kept day by day: a fact that is learned late rewrites the days from its own on, no others."""

    def __init__(self) -> None:
        self._days: dict[date, dict[str, Fact]] = {}
        self._calendar: list[date] = []
        self._evenings: list[Evening] = []

    @property
    def last(self) -> Evening:
        """Return how the account stands at the end of the last day that is known."""
        return self._evenings[-1] if self._evenings else NEVER

    def learn(self, facts: Sequence[Fact]) -> Lesson:
        """Enter facts; of several for one subscription and day the one that is in force in the evening counts."""
        reopened = bisect_left(self._calendar, min(one.day for one in facts)) if facts else len(self._calendar)
        for one in facts:
            self._enter(one)
        gone = [row for evening in self._evenings[reopened:] for row in evening.rows]
        del self._evenings[reopened:]
        for day in self._calendar[reopened:]:
            self._evenings.append(_close(day, self.last, self._days[day]))
        return Lesson(gone, [row for evening in self._evenings[reopened:] for row in evening.rows])

    def _enter(self, one: Fact) -> None:
        if one.day not in self._days:
            self._days[one.day] = {}
            insort(self._calendar, one.day)
        known = self._days[one.day].get(one.subscription_id)
        if known is None or known.order() < one.order():
            self._days[one.day][one.subscription_id] = one


def _close(day: date, before: Evening, entered: Mapping[str, Fact]) -> Evening:
    """Close a day: carry every balance forward and write down what moved."""
    changes = [Change(before.in_force.get(name), entered[name]) for name in sorted(entered)]
    balance, paid = dict(before.balance), set(before.paid)
    rows: list[Movement] = []
    for currency in sorted({currency for change in changes for currency in change.currencies()}):
        opening = balance.get(currency, ZERO)
        balance[currency] = opening + sum((change.delta(currency) for change in changes), ZERO)
        turn = Turn(day, currency, quantised(opening), quantised(balance[currency]))
        rows += movements(turn, changes, paid_before=currency in paid)
        if turn.after:
            paid.add(currency)
    in_force = {name: one for name, one in {**before.in_force, **entered}.items() if one.mrr}
    return Evening(in_force, balance, frozenset(paid), tuple(rows))


def _recorded(one: Fact) -> datetime:
    return one.learned.recorded
