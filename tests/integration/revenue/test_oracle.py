"""647 accounts through the database and the API: the oracle's numbers, the stored ledger, within a second or so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.unit.revenue import crm6

if TYPE_CHECKING:
    from typing import Any

    from tests.plugins.revenue import Revenue

SECONDS = 3.0
"""Far above what an answer takes alone on one core (two thirds of a second from cold facts), for busy machines."""


async def year(revenue: Revenue, **more: str) -> Any:
    return await revenue.ask("/v1/retention", **{"from": "2022-06-01", "to": "2023-06-01", **more})


async def test_the_oracle_from_facts_alone_and_from_the_stored_ledger(revenue: Revenue) -> None:
    await revenue.learn(crm6.events())
    began = time.monotonic()
    cold = await year(revenue)
    assert time.monotonic() - began < SECONDS
    assert cold["nrr"]["value"].startswith("0.9072871")
    assert (cold["nrr"]["numerator"], cold["nrr"]["denominator"]) == ("218208.00", "240506.00")
    assert (cold["logo_retention"]["numerator"], cold["logo_retention"]["denominator"]) == (184, 224)
    assert cold["grr"]["value"].startswith("0.8204577")
    assert (cold["level"], cold["profile"], cold["currency"]) == ("customer", "standard", "USD")
    emitted = await revenue.evaluate()
    assert len(emitted) == sum(len(rows) for rows in crm6.ledgers(crm6.FOREVER).values())
    assert await revenue.evaluate() == []
    warm = await year(revenue)
    assert warm == cold
    assert await year(revenue, known_at="2023-12-31") == {**warm, **_empty(), "provisional": True}
    for row in crm6.table("gold_2_8_net_retention_multi.csv"):
        month = await revenue.ask("/v1/retention", **{"from": row["start_date"], "to": row["end_date"]})
        assert float(month["nrr"]["value"]) == float(row["net_retention_rate"])


async def test_the_account_with_one_day_missing(revenue: Revenue) -> None:
    await revenue.learn(event for event in crm6.events() if event.subject == "198")
    items = (await revenue.ask("/v1/accounts/198/ledger", as_of="2022-10-31"))["items"]
    assert [(row["kind"], row["amount"]) for row in items[-2:]] == [("churn", "-2400.00"), ("reactivation", "2030.00")]
    assert (await revenue.ask("/v1/accounts/198/mrr", as_of="2022-10-30"))["items"][0]["mrr"] == "0.00"
    assert (await revenue.ask("/v1/accounts/198/mrr", as_of="2022-10-31"))["items"][0]["mrr"] == "2030.00"


def _empty() -> dict[str, Any]:
    nothing = {"amount": "0.00", "accounts": 0}
    rate = {"value": None, "numerator": "0.00", "denominator": "0.00"}
    parts = ("new", "renewed", "expanded", "reactivated", "contracted", "churned")
    logos = {"value": None, "numerator": 0, "denominator": 0}
    return {
        "currency": None,
        **dict.fromkeys(parts, nothing),
        "nrr": rate,
        "grr": rate,
        "logo_retention": logos,
    }
