"""Billing situations: those on which dbt_stripe agrees are compared with its output, the others with our definition."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from services.revenue.ledger import ledger
from tests.unit.revenue.scenarios import DIFFERENT, SCENARIOS, facts

ORACLE = Path(__file__).parents[2] / "data" / "dbt_stripe_oracle" / "expected_customer_movements.csv"
KINDS = {"churned": "churn"}
END_OF_ORACLE = "2025-01-01"
"""There every subscription of the oracle ends, because its data does."""


def expected(code: str) -> list[tuple[str, str, Decimal]]:
    rows = csv.DictReader(ORACLE.read_text().splitlines())
    return [
        (row["date_month"], KINDS.get(row["t"], row["t"]), round(Decimal(row["contract_mrr"]), 6))
        for row in rows
        if row["account_id"] == f"c{code}" and row["date_month"] < END_OF_ORACLE
    ]


def booked(code: str) -> list[tuple[str, str, str]]:
    return [(str(row.effective_on), row.kind, f"{row.amount:f}".rstrip("0").rstrip(".")) for row in ledger(facts(code))]


@pytest.mark.parametrize("code", sorted(SCENARIOS.keys() - DIFFERENT.keys()))
def test_month_by_month_as_the_oracle_says(code: str) -> None:
    found = [(f"{row.effective_on:%Y-%m}-01", str(row.kind), row.mrr_after) for row in ledger(facts(code))]
    assert found == expected(code)


@pytest.mark.parametrize(
    ("code", "rows"),
    [
        ("06", [("2024-01-01", "new", "30.416667")]),
        ("15", [("2024-01-01", "new", "72")]),
        ("16", [("2024-01-01", "new", "40"), ("2024-05-01", "churn", "-40"), ("2024-08-01", "reactivation", "60")]),
        ("19", [("2024-05-05", "new", "30"), ("2024-05-20", "churn", "-30")]),
        ("20", [("2024-01-01", "new", "100"), ("2024-04-01", "new", "50")]),
        ("21", [("2024-02-15", "new", "100")]),
        ("22", [("2024-01-01", "new", "100"), ("2024-06-10", "churn", "-100")]),
    ],
)
def test_where_our_definition_differs(code: str, rows: list[tuple[str, str, str]]) -> None:
    assert code in DIFFERENT
    assert booked(code) == rows
