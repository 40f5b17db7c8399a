"""647 accounts over two years: what Carl Gold's SQL says must be what the ledger says, to the last digit."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest

from services.revenue.retention import Retention, balances, retention
from tests.unit.revenue import crm6

DAY = timedelta(days=1)


def retention_between(first: str, last: str, accounts: set[str] | None = None) -> Retention:
    since, until = date.fromisoformat(first), date.fromisoformat(last)
    return retention(
        balance
        for account, rows in crm6.ledgers().items()
        if accounts is None or account in accounts
        for balance in balances(account, rows, since, until)
    )


def test_the_year_that_the_oracle_is_known_for() -> None:
    found = retention_between("2022-06-01", "2023-06-01")
    assert (found.nrr.numerator, found.nrr.denominator) == ("218208.00", "240506.00")
    assert found.nrr.value is not None
    assert found.nrr.value.startswith("0.9072871")
    assert (found.logo_retention.numerator, found.logo_retention.denominator) == (184, 224)
    assert found.grr.value is not None
    assert found.grr.value.startswith("0.8204577")


@pytest.mark.parametrize("row", crm6.table("gold_2_8_net_retention_multi.csv"), ids=lambda row: row["start_date"])
def test_net_retention_of_every_month_to_the_last_digit(row: dict[str, str]) -> None:
    found = retention_between(row["start_date"], row["end_date"])
    assert found.nrr.value is not None
    assert float(found.nrr.value) == float(row["net_retention_rate"])
    assert Decimal(found.nrr.numerator) == Decimal(row["retained_mrr"])
    assert Decimal(found.nrr.denominator) == Decimal(row["start_mrr"])


@pytest.mark.parametrize("row", crm6.table("gold_2_7_mrr_churn_multi.csv"), ids=lambda row: row["start_date"])
def test_churn_and_shrinkage_of_every_month(row: dict[str, str]) -> None:
    found = retention_between(row["start_date"], row["end_date"])
    assert Decimal(found.churned.amount) == Decimal(row["churn_mrr"])
    assert Decimal(found.contracted.amount) == Decimal(row["downsell_mrr"]) + Decimal(row["extension_mrr"])


@pytest.mark.parametrize(
    ("first", "last"), sorted({(row["from"], row["to"]) for row in crm6.table("gold_single_period.csv")})
)
def test_the_listings_for_single_windows(first: str, last: str) -> None:
    gold = {row["column"]: row["value"] for row in crm6.table("gold_single_period.csv") if row["from"] == first}
    found = retention_between(first, last)
    assert float(found.nrr.value or 0) == float(gold["net_mrr_retention_rate"])
    assert found.logo_retention.denominator == int(gold["n_start"])
    assert found.churned.accounts == int(gold["n_churn"])
    assert Decimal(found.churned.amount) == Decimal(gold["churn_mrr"])
    assert Decimal(found.contracted.amount) == Decimal(gold["downsell_mrr"])
    assert 1 - float(found.grr.value or 0) == pytest.approx(float(gold["mrr_churn_rate"]), abs=1e-15)


@pytest.mark.parametrize("row", crm6.table("gold_by_channel.csv"), ids=lambda row: f"{row['value']}-{row['from']}")
def test_the_accounts_of_one_channel(row: dict[str, str]) -> None:
    accounts = {account["id"] for account in crm6.table("account.csv") if account["channel"] == row["value"]}
    found = retention_between(row["from"], row["to"], accounts)
    assert float(found.nrr.value or 0) == float(row["net_mrr_retention_rate"])
    assert found.logo_retention.denominator == int(row["n_start"])
    assert Decimal(found.churned.amount) == Decimal(row["churn_mrr"])


def test_every_account_on_the_first_of_every_month() -> None:
    expected = {
        (row["account_id"], row["metric_date"]): Decimal(row["total_mrr"])
        for row in crm6.table("gold_3_14_account_mrr_month_start.csv.gz")
    }
    days = {day for _, day in expected}
    found = {
        (account, day): balance.closing
        for account, rows in crm6.ledgers().items()
        for day in days
        for balance in balances(account, rows, date.fromisoformat(day), date.fromisoformat(day))
        if balance.closing
    }
    assert found == expected


def test_the_parts_make_the_closing_mrr() -> None:
    expected = {row["date_month"]: row["ending_mrr"] for row in crm6.table("expected_monthly_movements.csv")}
    for last, ending in expected.items():
        found = retention_between("2022-03-15", last)
        parts = (found.new, found.reactivated, found.renewed, found.expanded)
        if date.fromisoformat(last) >= date(2022, 3, 15):
            assert sum((Decimal(part.amount) for part in parts), Decimal(0)) == Decimal(ending)


def test_movements_between_firsts_of_months_net_to_the_oracle() -> None:
    """The oracle compares firsts of months, so a movement of the first still belongs to the month before."""
    by_month = crm6.months(
        row._replace(effective_on=row.effective_on - DAY) for rows in crm6.ledgers().values() for row in rows
    )
    for row in crm6.table("expected_monthly_movements.csv")[1:]:
        month = (date.fromisoformat(row["date_month"]) - DAY).replace(day=1)
        expected = Decimal(row["ending_mrr"]) - Decimal(row["starting_mrr"])
        assert sum((one.amount for one in by_month[month]), Decimal(0)) == expected


def test_movements_of_a_month_are_those_of_the_event_level_oracle() -> None:
    by_month = crm6.months(row for rows in crm6.ledgers().values() for row in rows)
    totals: Counter[str] = Counter()
    for row in crm6.table("event_level_monthly.csv"):
        movements = by_month[date.fromisoformat(row["date_month"])]
        for kind in ("new", "reactivation", "expansion", "contraction", "churn"):
            amounts = [one.amount for one in movements if one.kind == kind]
            assert (sum(amounts), len(amounts)) == (Decimal(row[kind]), int(row[f"n_{_short(kind)}"])), (row, kind)
            totals[kind] += int(sum(amounts))
    assert totals == {
        "new": 595_296,
        "reactivation": 2_030,
        "expansion": 129_141,
        "contraction": -22_235,
        "churn": -117_627,
    }


def test_the_account_with_one_day_missing_leaves_and_returns() -> None:
    october = crm6.months(crm6.ledgers()["198"])[date(2022, 10, 1)]
    assert [(str(row.kind), int(row.amount)) for row in october] == [("churn", -2400), ("reactivation", 2030)]


def _short(kind: str) -> str:
    return {"reactivation": "react", "expansion": "exp", "contraction": "con"}.get(kind, kind)
