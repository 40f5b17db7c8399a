"""What the API answers, before and after evaluation, about corrections, the future, currencies and nonsense."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.revenue.building import at, event, item, snapshot

if TYPE_CHECKING:
    from tests.plugins.revenue import Revenue

JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
YEAR = {"from": "2024-01-15", "to": "2024-12-31"}
QUESTIONS = (
    ("/v1/accounts/nobody/ledger", 404, "not_found"),
    ("/v1/accounts/no%00body/ledger", 404, "not_found"),
    ("/v1/accounts/a%ff/mrr", 404, "not_found"),
    ("/v1/accounts/a%2Fb/ledger", 200, None),
    ("/v1/accounts/a%2Fb/ledger?as_of=yesterday", 400, "bad_request"),
    ("/v1/accounts/a%2Fb/ledger?known_at=2024-01-01T00:00:00", 400, "bad_request"),
    ("/v1/accounts/a%2Fb/ledger?limit=501", 400, "bad_request"),
    ("/v1/accounts/a%2Fb/ledger?cursor=WzEsMl0", 400, "bad_request"),
    ("/v1/accounts/a%2Fb/ledger?cursor=x", 400, "bad_request"),
    ("/v1/retention?from=2024-01-01&to=2024-02-01", 200, None),
    ("/v1/retention?from=2024-01-01", 400, "bad_request"),
    ("/v1/retention?from=2024-02-01&to=2024-01-01", 400, "bad_request"),
    ("/v1/retention?from=9999-12-31&to=9999-12-31", 200, None),
    ("/v1/retention?from=x&to=2024-01-01", 400, "bad_request"),
    ("/v1/retention?from=2024-01-01&to=2024-02-01&profile=board", 400, "bad_request"),
    ("/v1/retention?from=2024-01-01&to=2024-02-01&currency=usd", 400, "bad_request"),
)


def kinds(body: Any) -> list[tuple[str, str]]:
    return [(row["kind"], row["amount"]) for row in body["items"]]


async def test_a_ledger_row_says_all_that_is_promised(revenue: Revenue) -> None:
    await revenue.learn([event("e1", at(JANUARY), snapshot(item("1200", interval="year")))])
    assert await revenue.ask("/v1/accounts/a/ledger") == {
        "account_id": "a",
        "items": [
            {
                "effective_on": "2024-01-01",
                "kind": "new",
                "amount": "100.00",
                "mrr_before": "0.00",
                "mrr_after": "100.00",
                "renewed_amount": None,
                "currency": "USD",
                "product_id": "plan",
                "event_ids": ["e1"],
                "backfill": False,
            }
        ],
        "next_cursor": None,
    }


@pytest.mark.parametrize(("price", "share"), [("150", 1.5), ("50", 0.5)])
async def test_growth_and_shrinkage(revenue: Revenue, price: str, share: float) -> None:
    await revenue.learn(
        [event("e1", at(JANUARY), snapshot(item("100"))), event("e2", at(MARCH), snapshot(item(price)))]
    )
    assert float((await revenue.ask("/v1/retention", **YEAR))["nrr"]["value"]) == share
    await revenue.evaluate()
    assert float((await revenue.ask("/v1/retention", **YEAR))["nrr"]["value"]) == share


async def test_a_correction_changes_the_present_and_not_what_was_known(revenue: Revenue) -> None:
    await revenue.learn([event("e1", at(JANUARY), snapshot(item("100")))])
    await revenue.learn([event("e2", at(FEBRUARY), snapshot(item("120")))])
    assert {one.data.kind for one in await revenue.evaluate()} == {"new", "expansion"}  # type: ignore[attr-defined]  # data is MovementBooked
    before = await revenue.ask("/v1/accounts/a/ledger")
    cancelled = event("e3", at("2024-01-20"), snapshot(status="ended"), recorded=at(MARCH))
    await revenue.learn([cancelled])
    for _ in range(2):
        assert kinds(await revenue.ask("/v1/accounts/a/ledger")) == [
            ("new", "100.00"),
            ("churn", "-100.00"),
            ("reactivation", "120.00"),
        ]
        then = await revenue.ask("/v1/accounts/a/ledger", known_at="2024-02-15")
        assert then == {**before, "provisional": True}
        window = {"from": "2024-01-25", "to": "2024-02-15"}
        assert (await revenue.ask("/v1/retention", **window))["reactivated"] == {"amount": "120.00", "accounts": 1}
        known = await revenue.ask("/v1/retention", **window, known_at="2024-02-15")
        assert known["nrr"] == {"value": "1.200000000000000000", "numerator": "120.00", "denominator": "100.00"}
        await revenue.evaluate()
    ever = await revenue.ask("/v1/accounts/a/ledger", history="true")
    assert [(row["kind"], row["recorded_at"][:10], (row["superseded_at"] or "")[:10]) for row in ever["items"]] == [
        ("new", "2024-01-01", ""),
        ("churn", "2024-03-01", ""),
        ("expansion", "2024-02-01", "2024-03-01"),
        ("reactivation", "2024-03-01", ""),
    ]


async def test_what_takes_effect_tomorrow_counts_tomorrow(revenue: Revenue) -> None:
    now = datetime.now(UTC)
    ends = now + timedelta(days=1)
    await revenue.learn(
        [
            event("e1", now - timedelta(days=40), snapshot(item("100"), term_end=ends.date())),
            event("e2", ends, snapshot(status="ended"), recorded=now),
        ]
    )
    for _ in range(2):
        assert kinds(await revenue.ask("/v1/accounts/a/ledger", as_of="2199-01-01")) == [("new", "100.00")]
        assert (await revenue.ask("/v1/accounts/a/mrr"))["items"] == [
            {"currency": "USD", "mrr": "100.00", "term_end": ends.date().isoformat()}
        ]
        await revenue.evaluate(now)
    emitted = await revenue.evaluate(ends)
    assert [one.data.kind for one in emitted] == ["churn"]  # type: ignore[attr-defined]  # data is MovementBooked


async def test_two_currencies_are_never_added_up(revenue: Revenue) -> None:
    await revenue.learn(
        [
            event("e1", at(JANUARY), snapshot(item("100"))),
            event("e2", at(JANUARY), snapshot(item("70"), currency="EUR"), account="b"),
        ]
    )
    answer = await revenue.client.get("/v1/retention", params=YEAR)
    assert answer.status_code == 400
    assert "EUR, USD" in answer.json()["message"]
    for currency, amount in (("EUR", "70.00"), ("USD", "100.00")):
        found = await revenue.ask("/v1/retention", **YEAR, currency=currency)
        assert (found["currency"], found["nrr"]["numerator"]) == (currency, amount)
    assert (await revenue.ask("/v1/retention", **YEAR, currency="JPY"))["nrr"]["value"] is None


async def test_a_ledger_is_read_in_pages(revenue: Revenue) -> None:
    prices = enumerate(range(10, 40))
    await revenue.learn(
        event(
            f"e{n}",
            at(JANUARY + timedelta(days=n)),
            snapshot(item(str(price)), term_end=JANUARY + timedelta(days=n + 1)),
        )
        for n, price in prices
    )
    for history in ("false", "true"):
        whole = (await revenue.ask("/v1/accounts/a/ledger", limit="500", history=history))["items"]
        assert len(whole) == 59
        body = await revenue.ask("/v1/accounts/a/ledger", limit="7", history=history)
        pages = body["items"]
        while body["next_cursor"]:
            asked = {"limit": "7", "history": history, "cursor": body["next_cursor"]}
            body = await revenue.ask("/v1/accounts/a/ledger", **asked)
            pages += body["items"]
        assert pages == whole


async def test_nonsense_is_named(revenue: Revenue) -> None:
    await revenue.learn([event("e1", at(JANUARY), snapshot(item("1")), account="a/b")])
    for path, status, code in QUESTIONS:
        answer = await revenue.client.get(path)
        assert (answer.status_code, answer.json().get("code")) == (status, code), path


async def test_nobody_reads_without_a_token(revenue: Revenue) -> None:
    for path in ("/v1/retention?from=2024-01-01&to=2024-02-01", "/v1/accounts/a/ledger", "/v1/accounts/a/mrr"):
        assert (await revenue.client.get(path, headers={"authorization": ""})).status_code == 401


async def test_a_snapshot_told_again_after_the_inbox_forgot_it_counts_once(revenue: Revenue) -> None:
    told = event("e", at("2026-01-05"), snapshot(item("100")))
    await revenue.learn([told])
    first = await revenue.evaluate()
    await revenue.learn([told])
    assert first
    assert await revenue.evaluate() == []
