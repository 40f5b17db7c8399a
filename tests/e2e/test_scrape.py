"""What a running deployment says of itself: the metrics of rules and dashboard, and how each service stands."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from deploy.local.plan import SERVICES
from deploy.monitoring.dashboard import panels
from deploy.monitoring.rules import RULES
from tests.e2e.story import event, new_account
from tests.plugins.e2e import CONSUMERS, eventually

if TYPE_CHECKING:
    from tests.plugins.e2e import Deployment

SUFFIXES = re.compile(r"_(bucket|total)$")


def families(deployment: Deployment, service: str) -> set[str]:
    text = deployment.ask(service, "/metrics").raise_for_status().text
    return {SUFFIXES.sub("", name) for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)}


def test_every_metric_of_rules_and_dashboard_is_in_a_live_scrape(deployment: Deployment) -> None:
    there = set().union(*(families(deployment, service) for service in SERVICES))
    wanted = set().union(*(rule.metrics for rule in RULES), *(panel.metrics for panel in panels()))
    assert {SUFFIXES.sub("", name) for name in wanted} <= there


def test_gauges_are_brought_up_to_date_at_the_scrape(deployment: Deployment) -> None:
    deployment.post([event("usage.recorded", new_account(), {"event": "login", "person_id": "p"})])
    for service in CONSUMERS:
        text = deployment.ask(service, "/metrics").text
        assert re.search(r'^kizuna_ready\{part="consumer"\} 1.0$', text, re.MULTILINE), service
        assert re.search(r"^kizuna_partitions_held [1-9]", text, re.MULTILINE), service
        assert re.search(r"^kizuna_consumer_halted 0.0$", text, re.MULTILINE), service
        assert re.search(r'^kizuna_consumer_lag_seconds\{topic="billing.v1"\} ', text, re.MULTILINE), service
        assert re.search(r"^kizuna_outbox_oldest_seconds ", text, re.MULTILINE), service


def test_status_tells_how_each_service_stands(deployment: Deployment) -> None:
    account = new_account()
    deployment.post([event("contact.upserted", account, {"contact_id": "c1", "name": "Ken"})])
    eventually(deployment.at_rest, 60)
    said = {each["service"]: each for each in json.loads(deployment.say("status", "--json"))["services"]}
    for service in CONSUMERS:
        found = said[service]
        assert found["ready"], found
        assert [len(each["partitions"]) for each in found["replicas"]] == [4], "one replica owns all partitions"
        assert found["lag_seconds"] >= 0
        assert found["dead_letters_waiting"] >= 0
    assert said["health"]["last_evaluation"]
    shown = deployment.say("status")
    assert "seconds behind" in shown
    assert "last looked" in shown
