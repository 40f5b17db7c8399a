"""What holds of every ledger and of every comparison, whatever billing systems say and in whatever order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from services.revenue.evaluate import Step, announcements, step
from services.revenue.facts import visible
from services.revenue.ledger import Books, history, ledger
from services.revenue.retention import Balance, balances, decimal_text, retention
from shared.events import decode_event, encode_event
from tests.unit.revenue.building import event, item, known, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.revenue.facts import Fact
    from services.revenue.movement import Movement

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
NOW = EPOCH + timedelta(days=60)
HOURS = st.integers(0, 24 * 40).map(lambda hours: EPOCH + timedelta(hours=hours))

items = st.builds(
    lambda amount, product, interval, count: item(str(amount), product, interval=interval, interval_count=count),
    st.decimals(min_value=-20, max_value=200, places=2),
    st.sampled_from(["basic", "pro"]),
    st.sampled_from(["month", "year", "week", "day"]),
    st.integers(1, 3),
)
snapshots = st.builds(
    lambda listed, name, status, currency, days: snapshot(
        *listed, subscription_id=name, status=status, currency=currency, term_end=EPOCH.date() + timedelta(days=days)
    ),
    st.lists(items, max_size=2),
    st.sampled_from(["s", "t"]),
    st.sampled_from(["active", "active", "past_due", "ended", "trialing"]),
    st.sampled_from(["USD", "USD", "USD", "EUR"]),
    st.integers(0, 40),
)
facts_of_one = st.builds(
    lambda rows: [
        known(event(f"e{number}", time, data, recorded=max(time, recorded)))
        for number, (time, recorded, data) in enumerate(rows)
    ],
    st.lists(st.tuples(HOURS, HOURS, snapshots), max_size=12),
)
amounts = st.one_of(st.just(Decimal(0)), st.decimals(min_value=0, max_value=10**9, places=6))
portfolios = st.lists(st.builds(Balance, st.text(), st.just("USD"), amounts, amounts, st.booleans()), max_size=20)


def per_currency(rows: Sequence[Movement]) -> list[list[Movement]]:
    return [[row for row in rows if row.currency == currency] for currency in {row.currency for row in rows}]


@given(facts_of_one)
def test_movements_add_up_and_join(facts: list[Fact]) -> None:
    for rows in per_currency(ledger(facts)):
        assert rows[0].mrr_before == 0
        assert sum(row.amount for row in rows) == rows[-1].mrr_after
        for before, after in pairwise(rows):
            assert before.mrr_after == after.mrr_before
        for row in rows:
            assert row.amount == row.mrr_after - row.mrr_before
            assert min(row.mrr_before, row.mrr_after) >= 0
            assert row.event_ids


@given(facts_of_one)
def test_kinds_tell_a_life(facts: list[Fact]) -> None:
    for rows in per_currency(ledger(facts)):
        kinds = [row.kind for row in rows if row.kind != "renewal"]
        assert kinds[0] == "new"
        assert kinds.count("new") == 1
        turns = [kind for kind in kinds if kind in ("new", "churn", "reactivation")]
        assert all((kind == "churn") == (number % 2 == 1) for number, kind in enumerate(turns))
        for row in rows:
            if row.kind == "renewal":
                assert row.amount == row.mrr_after - row.mrr_before == 0
                assert 0 < (row.renewed_amount or 0) <= row.mrr_before
            else:
                assert row.amount
                assert (row.amount > 0) == (row.kind in ("new", "reactivation", "expansion"))


@given(facts_of_one, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters(facts: list[Fact], random: object) -> None:
    again = [*facts, *facts]
    random.shuffle(again)  # type: ignore[attr-defined]  # hypothesis gives a random.Random under another type
    assert ledger(again) == ledger(facts)
    assert history(again) == history(facts)


@given(facts_of_one)
def test_learning_one_by_one_ends_where_learning_at_once_does(facts: list[Fact]) -> None:
    books, rows = Books(), set[object]()
    for one in facts:
        lesson = books.learn([one])
        assert rows.issuperset(lesson.gone)
        rows = rows.difference(lesson.gone).union(lesson.came)
    assert rows == set(ledger(facts))


@given(facts_of_one, HOURS)
def test_history_is_what_the_ledger_was_at_every_time(facts: list[Fact], known_at: datetime) -> None:
    then = [
        row.movement
        for row in history(facts)
        if row.recorded_at <= known_at and (row.superseded_at is None or row.superseded_at > known_at)
    ]
    assert sorted(then) == sorted(ledger(visible(facts, as_of=NOW, known_at=known_at)))


@settings(max_examples=50)
@given(facts_of_one)
def test_evaluating_after_every_fact_or_once_stores_the_same(facts: list[Fact]) -> None:
    stored = set(history([]))
    for number in range(len(facts) + 1):
        taken = step("a", facts[:number], stored, NOW)
        stored = stored.difference(taken.stale).union(taken.fresh)
    assert stored == set(history(facts))
    assert step("a", facts, stored, NOW) == Step("a", frozenset(), (), None)


@settings(max_examples=50)
@given(facts_of_one)
def test_what_is_announced_can_be_read_and_is_announced_under_one_name(facts: list[Fact]) -> None:
    said = list(announcements("a", history(facts), UTC))
    assert [decode_event(encode_event(one)) for one in said] == said
    assert len({one.id for one in said}) == len(said) == len(ledger(facts))
    assert said == list(announcements("a", history(facts), UTC))


@given(facts_of_one, st.integers(0, 40), st.integers(0, 20))
def test_balances_are_those_of_the_evenings(facts: list[Fact], first: int, length: int) -> None:
    days = EPOCH.date() + timedelta(days=first), EPOCH.date() + timedelta(days=first + length)
    rows = ledger(facts)
    for one in balances("a", rows, *days):
        mine = [row for row in rows if row.currency == one.currency]
        assert one.opening == sum((row.amount for row in mine if row.effective_on <= days[0]), Decimal(0))
        assert one.closing == sum((row.amount for row in mine if row.effective_on <= days[1]), Decimal(0))
        assert one.paid_before == any(row.effective_on <= days[0] for row in mine)


@given(portfolios)
def test_gross_retention_is_never_above_net_or_one(portfolio: list[Balance]) -> None:
    found = retention(portfolio)
    gross, net = found.grr, found.nrr
    assert Fraction(gross.numerator) <= min(Fraction(gross.denominator), Fraction(net.numerator))
    assert (gross.value is None) == (not any(one.opening for one in portfolio))


@given(portfolios)
def test_the_parts_are_the_opening_and_the_closing(portfolio: list[Balance]) -> None:
    found = retention(portfolio)
    opening, closing = sum(one.opening for one in portfolio), sum(one.closing for one in portfolio)
    amount = {name: Decimal(part.amount) for name, part in found._asdict().items() if hasattr(part, "amount")}
    assert amount["new"] + amount["reactivated"] + amount["renewed"] + amount["expanded"] == closing
    assert amount["renewed"] + amount["contracted"] + amount["churned"] == opening
    assert min(amount.values()) >= 0


@given(st.fractions(min_value=0, max_value=10**6, max_denominator=10**15))
def test_a_ratio_is_read_as_its_float(ratio: Fraction) -> None:
    text = decimal_text(ratio)
    assert float(text) == float(ratio)
    assert len(text.partition(".")[2]) >= 18
    assert "E" not in text.upper()


def test_a_hundred_that_becomes_a_hundred_and_fifty_or_fifty() -> None:
    for closing, share in ((150, "1.5"), (50, "0.5")):
        rate = retention([Balance("a", "USD", Decimal(100), Decimal(closing), paid_before=True)]).nrr
        assert rate.value == share.ljust(20, "0")


def test_three_customers_and_one_who_came_later() -> None:
    numbers = {"a": (100, 150), "b": (100, 60), "c": (100, 0), "d": (0, 80), "e": (0, 5)}
    found = retention(
        Balance(name, "USD", Decimal(opening), Decimal(closing), paid_before=name != "d")
        for name, (opening, closing) in numbers.items()
    )
    assert (found.nrr.numerator, found.grr.numerator, found.nrr.denominator) == ("210.00", "160.00", "300.00")
    assert (found.logo_retention.numerator, found.logo_retention.denominator) == (2, 3)
    assert [(part.amount, part.accounts) for part in found[3:]] == [
        ("80.00", 1),
        ("160.00", 2),
        ("50.00", 1),
        ("5.00", 1),
        ("40.00", 1),
        ("100.00", 1),
    ]


def test_nobody_at_the_start_is_no_retention_of_nothing() -> None:
    found = retention([Balance("d", "USD", Decimal(0), Decimal(80), paid_before=False)])
    assert (found.nrr.value, found.grr.value, found.logo_retention.value) == (None, None, None)


def test_balances_of_an_account_that_came_after_the_last_day() -> None:
    rows = ledger([known(event("1", EPOCH, snapshot(item("5"))))])
    assert balances("a", rows, date(2023, 1, 1), date(2023, 12, 31)) == []
