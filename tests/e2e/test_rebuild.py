"""Disaster and recovery: schemas built anew from the archive give the same answers, and nobody hears of it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from deploy.local.rebuilding import rebuild
from deploy.local.stack import down
from shared.archive.store import Store
from shared.events import decode_event
from tests.e2e.story import event, left, new_account, owner, thriving, usage
from tests.integration.archive.feeding import records_in
from tests.plugins.e2e import CONSUMERS, Deployment, clean_deployment, eventually

if TYPE_CHECKING:
    from pathlib import Path

RENEWAL = datetime.now(UTC).date() + timedelta(days=250)
SAID = {"signals.v1", "health.v1", "revenue.v1", "alerts.v1"}
CLOCKS = ("evaluated_at", "refused_at", "asked_at", "provisional")


def snapshot(account: str, unit_amount: str, at: datetime, quantity: int = 10) -> dict[str, Any]:
    item = {"item_id": "seats", "product_id": "pro", "quantity": quantity, "unit_amount": unit_amount}
    data = {"subscription_id": f"{account}/s1", "status": "active", "currency": "USD"}
    return event(
        "subscription.snapshot", account, data | {"items": [item | {"interval": "year", "interval_count": 1}]}, at
    )


def first_act(deployment: Deployment, steady: str, leaving: str) -> None:
    """History, a champion who leaves and an owner who acknowledges it."""
    person, now = owner("en"), datetime.now(UTC)
    deployment.post([*thriving(steady, person, RENEWAL), *thriving(leaving, person, RENEWAL)])
    eventually(lambda: deployment.ask("health", f"/v1/accounts/{steady}/health").is_success, 30)
    eventually(deployment.at_rest, 60)
    deployment.post([left(leaving), *usage(steady, [3, 4])])
    eventually(lambda: {each["channel"] for each in deployment.messages(leaving)} >= {"slack", "email"}, 60)
    (alert,) = deployment.get("alerts", "/v1/alerts", account=leaving)["items"]
    assert alert["signal"] == "champion_left"
    deployment.say("alerts", "ack", alert["id"])
    deployment.post([snapshot(steady, "2880.00", now - timedelta(days=40))])  # late: it rewrites the ledger
    eventually(deployment.at_rest, 60)


def second_act(deployment: Deployment, steady: str) -> None:
    """What is repeated, refused, and not yet in the archive when the disaster comes."""
    now = datetime.now(UTC)
    again = event("survey.responded", steady, {"survey": "nps", "score": 3, "contact_id": "c1"})
    absurd = snapshot(steady, "900000000000.00", now, quantity=900_000_000)
    deployment.post([again, again, absurd])
    deployment.post([again, event("usage.recorded", steady, {"event": "login", "person_id": "p1"})])
    eventually(lambda: deployment.get("revenue", "/v1/dead-letters")["items"], 30)
    eventually(deployment.at_rest, 60)


def answers(deployment: Deployment, accounts: tuple[str, str], known_at: str) -> dict[str, Any]:
    """What people are shown, then and now, without when it was worked out."""
    asked: dict[str, Any] = {name: deployment.get(name, "/v1/fingerprint") for name in CONSUMERS}
    for account in accounts:
        for route in ("health", "usage"):
            asked[f"{account} {route}"] = deployment.get("health", f"/v1/accounts/{account}/{route}", known_at=known_at)
        asked[f"{account} ledger"] = deployment.get("revenue", f"/v1/accounts/{account}/ledger", history="true")
        asked[f"{account} alerts"] = deployment.get("alerts", "/v1/alerts", account=account)
        asked[f"{account} ledger then"] = deployment.get("revenue", f"/v1/accounts/{account}/ledger", known_at=known_at)
    asked["portfolio"] = deployment.get("health", "/v1/portfolio", sort="name")
    for name in CONSUMERS:
        letters = deployment.get(name, "/v1/dead-letters")["items"]
        asked[f"{name} letters"] = [(each["reason"], each["event_id"], each["offset"]) for each in letters]
    return {name: without_clocks(answer) for name, answer in asked.items()}


def without_clocks(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: without_clocks(each) for name, each in answer.items() if name not in CLOCKS}
    return [without_clocks(each) for each in answer] if isinstance(answer, list) else answer


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_rebuilt_answers_alike_and_tells_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steady, leaving = new_account(), new_account()
    monkeypatch.setenv("KIZUNA_ARCHIVE_FLUSH_SECONDS", "8")
    monkeypatch.setenv("KIZUNA_HEALTH_USAGE_PAUSE", "0.5")  # nothing is put off: what is told last is how things stand
    with clean_deployment(tmp_path) as (plan, deployment):
        first_act(deployment, steady, leaving)
        known_at = datetime.now(UTC).isoformat()
        second_act(deployment, steady)
        before, messages = answers(deployment, (steady, leaving), known_at), len(deployment.messages())
        assert before[f"{leaving} alerts"]["items"][0]["state"] == "acknowledged"
        assert before["revenue letters"], "something was refused"
        capfd.readouterr()
        for name in CONSUMERS:
            rebuild(name, set_aside=True, plan=plan)
        said = capfd.readouterr().out
        eventually(deployment.at_rest, 60)
        assert answers(deployment, (steady, leaving), known_at) == before
        assert len(deployment.messages()) == messages
        assert len(re.findall(r"[1-9][\d,]* records in .* \([1-9][\d,]* events/s\)", said)) == len(CONSUMERS), said
        assert said.count("sent again, 0 wait") == len(CONSUMERS), said
        assert "MISSING" not in said
        goes_on(deployment, steady, before, messages)
        down(plan)  # the archive writes what it holds
        published_once(Store(plan.archive))


def goes_on(deployment: Deployment, account: str, before: dict[str, Any], messages: int) -> None:
    """What comes afterwards is counted where the rebuild ended: what is old once, what is new at all."""
    more = event("usage.recorded", account, {"event": "login", "person_id": "p2"})
    deployment.post([more])
    eventually(lambda: deployment.counted("health", more), 30)
    eventually(deployment.at_rest, 60)
    assert deployment.get("health", "/v1/fingerprint") != before["health"]
    assert {name: deployment.get(name, "/v1/fingerprint") for name in ("revenue", "alerts")} == {
        name: before[name] for name in ("revenue", "alerts")
    }
    assert [deployment.get(name, "/v1/status")["incidents"] for name in CONSUMERS] == [[], [], []]
    assert len(deployment.messages()) == messages


def published_once(store: Store) -> None:
    """Nothing that a service says stands on its topic twice, and neither does a copy of a dead letter."""
    found = asyncio.run(records_in(store))
    said = [decode_event(record.value or b"").id for record in found if record.topic in SAID]
    letters = [dict(record.headers)["place"] for record in found if record.topic.endswith(".dlq")]
    assert {record.topic for record in found} >= SAID
    assert letters
    assert [name for name, times in Counter([*said, *letters]).items() if times > 1] == []
