"""What an item and a subscription are worth a month, and how amounts are written."""

from __future__ import annotations

import csv
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mrr import item_mrr, money, quantised, snapshot_mrr
from tests.unit.revenue.building import item, snapshot

if TYPE_CHECKING:
    from shared.events import SubscriptionItem, SubscriptionSnapshot

KILL_BILL = Path(__file__).parents[2] / "data" / "killbill_oracle" / "period_price_mrr.csv"
PERIODS = {"MONTHLY": 1, "ANNUAL": 12}
PRICES = [row for row in csv.DictReader(KILL_BILL.read_text().splitlines()) if row["billing_period"] in PERIODS]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (item("1200", interval="year", quantity="2"), "200.00"),
        (item("10", interval="week", quantity="3"), "130.00"),
        (item("10", interval="week", interval_count=2), "21.666667"),
        (item("90", interval_count=3), "30.00"),
        (item("2400", interval="year", interval_count=2), "100.00"),
        (item("1", interval="day"), "30.416667"),
        (item("100", discount="20"), "80.00"),
        (item("100", discount="100"), "0.00"),
        (item("0.1", quantity="3"), "0.30"),
    ],
)
def test_an_item_is_normalised_to_a_month(made: SubscriptionItem, expected: str) -> None:
    assert money(item_mrr(made)) == expected


@pytest.mark.parametrize("row", PRICES, ids=lambda row: f"{row['billing_period']}-{row['price']}")
def test_prices_of_kill_bill(row: dict[str, str]) -> None:
    exact = item_mrr(item(row["price"], interval_count=PERIODS[row["billing_period"]]))
    rounded = Decimal(exact.numerator) / Decimal(exact.denominator)
    assert rounded.quantize(Decimal("0.0001"), ROUND_HALF_UP) == Decimal(row["expected_mrr"])


def test_items_are_rounded_together_and_not_one_by_one() -> None:
    assert money(snapshot_mrr(snapshot(*[item("100", interval="year")] * 3))) == "25.00"


@pytest.mark.parametrize("status", ["trialing", "unpaid", "paused", "ended"])
def test_who_does_not_pay_counts_nothing(status: str) -> None:
    assert snapshot_mrr(snapshot(item("100"), status=status)) == 0


@pytest.mark.parametrize("status", ["active", "past_due"])
def test_who_pays_or_pays_late_counts(status: str) -> None:
    assert snapshot_mrr(snapshot(item("100"), status=status)) == 100


def test_a_subscription_is_never_worth_less_than_nothing() -> None:
    assert snapshot_mrr(snapshot(item("50"), item("-99"))) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(218208), "218208.00"),
        (Fraction(1565, 12), "130.416667"),
        (Decimal("-1.5"), "-1.50"),
        (Decimal("-0.0000001"), "0.00"),
        (Fraction(5, 10**7), "0.00"),
        (Fraction(15, 10**7), "0.000002"),
        (Fraction(10**30), "1" + "0" * 30 + ".00"),
    ],
)
def test_amounts_are_written(value: Fraction | Decimal, text: str) -> None:
    assert money(value) == text


@given(st.fractions(min_value=-(10**30), max_value=10**30))
def test_what_is_written_is_the_nearest_millionth(value: Fraction) -> None:
    read = Fraction(money(value))
    assert abs(read - value) <= Fraction(1, 2 * 10**6)
    assert quantised(read) == quantised(value)
    assert len(money(value).partition(".")[2]) >= 2


@given(
    st.lists(st.decimals(min_value=-1000, max_value=1000, places=3), max_size=5),
    st.sampled_from(["day", "week", "month", "year"]),
    st.integers(1, 24),
)
def test_a_subscription_is_the_sum_of_its_items(amounts: list[Decimal], interval: str, count: int) -> None:
    items = [item(str(amount), interval=interval, interval_count=count) for amount in amounts]
    made: SubscriptionSnapshot = snapshot(*items)
    assert snapshot_mrr(made) == max(0, sum(item_mrr(one) for one in items))
