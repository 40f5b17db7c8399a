"""History never pages: it is read in silence, delays nobody, and speaks up only when something live confirms it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.story import WEEK, event, left, new_account, owner, this_monday, thriving, usage
from tests.plugins.e2e import eventually

if TYPE_CHECKING:
    from tests.plugins.e2e import Deployment

SLICE = Path(__file__).parents[1] / "data" / "crm6_slice"
RENEWAL = datetime.now(UTC).date() + timedelta(days=250)
STEADY, FALLEN = 10, 4
"""Weeks of ten people, then weeks of two; so many that it does not matter whether last week is judged yet."""
PROMISED = timedelta(seconds=10)
LATE = 12
FALLEN_ACCOUNT = "141"
"""Of the slice; its README says so."""


def test_a_fall_in_history_is_listed_and_told_when_the_account_speaks(deployment: Deployment) -> None:
    account, person = new_account(), owner("en")
    deployment.post([{**each, "backfill": True} for each in profile(account, person)])
    deployment.post(list(usage(account, [10] * STEADY + [2] * FALLEN)))
    (found,) = eventually(lambda: alerts(deployment, account, "usage_drop"), 60)
    assert (found["historical"], found["deliveries"]) == (True, [])
    eventually(deployment.at_rest, 60)
    assert deployment.messages(account) == []
    deployment.post([event("usage.recorded", account, {"event": "login", "person_id": "p0"})])
    messages = exactly(deployment, account, 2)
    fell = this_monday() - FALLEN * WEEK
    for message in messages:
        assert "usage has dropped" in message["text"]
        assert f"{fell.day} {fell:%B} {fell.year} 00:00 (UTC)" in message["text"], "since when"
    (now,) = alerts(deployment, account, "usage_drop")
    assert (now["id"], now["historical"]) == (found["id"], False)
    assert datetime.fromisoformat(now["since"]) == datetime(fell.year, fell.month, fell.day, tzinfo=UTC)


@pytest.mark.slow
def test_an_import_delays_nobody_and_tells_nobody(deployment: Deployment) -> None:
    account, person, prefix = new_account(), owner("en"), f"{new_account()}-"
    deployment.post(thriving(account, person, RENEWAL))
    eventually(lambda: deployment.ask("health", f"/v1/accounts/{account}/health").is_success, 30)
    eventually(deployment.at_rest, 60)
    began = len(deployment.messages())
    with deployment.kizuna("import", "crm6", str(SLICE), "--until-today", "--prefix", prefix) as importing:
        eventually(lambda: usage_of(deployment, f"{prefix}32") > 0, 60)
        acknowledged = deployment.post([left(account)])
        both = exactly(deployment, account, 2)
        assert importing.poll() is None, "the message came while history was still arriving"
        _, err = importing.communicate(timeout=110)
    assert importing.returncode == 0, err
    for message in both:
        took = datetime.fromisoformat(message["received_at"]) - acknowledged
        assert took <= PROMISED, f"{message['channel']} after {took}"
    # what many facts add up to is judged some seconds after the last of the history
    eventually(lambda: alerts(deployment, f"{prefix}{FALLEN_ACCOUNT}", "usage_drop"), 60)
    eventually(deployment.at_rest, 60)
    assert len(deployment.messages()) - began == 2, "nothing but the news"
    listed = deployment.get("alerts", "/v1/alerts", limit=500)["items"]
    silent = [alert for alert in listed if alert["account_id"].startswith(prefix)]
    assert all(alert["historical"] and not alert["deliveries"] for alert in silent)


def test_a_flood_of_late_news_becomes_one_summary(deployment: Deployment) -> None:
    person = owner("en")
    accounts = [new_account() for _ in range(LATE)]
    deployment.post([each for account in accounts for each in profile(account, person)])
    eventually(deployment.at_rest, 60)
    days_ago = datetime.now(UTC) - timedelta(days=3)
    deployment.post([left(account, days_ago) for account in accounts])
    eventually(lambda: len(to(deployment, person)) == 2, 40)
    eventually(deployment.at_rest, 30)
    messages = to(deployment, person)
    assert sorted(each["channel"] for each in messages) == ["email", "slack"]
    for message in messages:
        assert sorted(message["account_ids"]) == sorted(accounts)
        assert f"{LATE} alerts are waiting for you" in message["text"]
    for account in accounts:
        (alert,) = alerts(deployment, account, "champion_left")
        assert (alert["late"], alert["historical"]) == (True, False)
        assert {each["state"] for each in alert["deliveries"]} == {"sent"}


def profile(account: str, person: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is known of an account whose product nobody has used yet."""
    return [each for each in thriving(account, person, RENEWAL) if each["type"] != "kizuna.usage.recorded"]


def exactly(deployment: Deployment, account: str, number: int) -> list[dict[str, Any]]:
    """Wait for so many messages about an account."""
    eventually(lambda: len(deployment.messages(account)) == number, 60)
    return deployment.messages(account)


def alerts(deployment: Deployment, account: str, signal: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = deployment.get("alerts", "/v1/alerts", account=account, signal=signal)["items"]
    return items


def to(deployment: Deployment, person: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in deployment.messages() if each["to"] in {person["email"], person["slack_id"]}]


def usage_of(deployment: Deployment, account: str) -> float:
    answer = deployment.ask("health", f"/v1/accounts/{account}/usage", limit=1)
    return float(answer.json()["total"]) if answer.is_success else 0.0
