"""What a running deployment says of itself: the metrics of rules and dashboard, and how each service stands."""

from __future__ import annotations

import json
import math
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from deploy.local.plan import ARCHIVE, CONSUMERS, SERVICES
from deploy.monitoring.dashboard import panels
from deploy.monitoring.rules import RULES
from tests.e2e.story import event, left, new_account, owner, thriving
from tests.plugins.e2e import eventually

if TYPE_CHECKING:
    from tests.plugins.e2e import Deployment

RENEWAL = datetime.now(UTC).date() + timedelta(days=250)
JOBS = (*SERVICES, ARCHIVE)
COUNTED = {
    "kizuna_absorb_batch_seconds_bucket": CONSUMERS,
    "kizuna_accounts_evaluated_total": CONSUMERS,
    "kizuna_alert_attempts_total": ("alerts",),
    "kizuna_alert_delivery_seconds_bucket": ("alerts",),
    "kizuna_archive_files_total": (ARCHIVE,),
    "kizuna_archive_records_total": (ARCHIVE,),
    "kizuna_clock_seconds": JOBS,
    "kizuna_dead_letters_total": ("revenue",),
    "kizuna_dead_letters_waiting": ("revenue",),
    "kizuna_events_absorbed_total": CONSUMERS,
    "kizuna_events_repeated_total": ("health",),
    "kizuna_ingest_events_total": ("ingest",),
    "kizuna_outbox_relayed_total": CONSUMERS,
    "kizuna_partitions_held": CONSUMERS,
    "kizuna_produce_seconds_bucket": ("ingest",),
    "kizuna_ready": JOBS,
}
"""Who says of each metric more than 0 after the load of `worked`."""
STANDING = {
    "kizuna_archive_collisions_total": (ARCHIVE,),
    "kizuna_archive_held_seconds": (ARCHIVE,),
    "kizuna_archive_unread_records": (ARCHIVE,),
    "kizuna_consumer_halted": CONSUMERS,
    "kizuna_consumer_lag_records": CONSUMERS,
    "kizuna_consumer_lag_seconds": CONSUMERS,
    "kizuna_due_oldest_seconds": CONSUMERS,
    "kizuna_evaluation_failures_total": CONSUMERS,
    "kizuna_outbox_oldest_seconds": CONSUMERS,
    "kizuna_outbox_rows": CONSUMERS,
    "kizuna_position_incidents_total": (*CONSUMERS, ARCHIVE),
    "kizuna_producers_rebuilt_total": ("ingest",),
}
"""Who says a number, which is 0 where all is well."""
SELDOM = {"kizuna_alert_dead_deliveries_total", "kizuna_alert_stuck_attempts_total"}
"""Have no sample until something was given up, or could not be."""


def samples(deployment: Deployment, job: str) -> dict[str, float]:
    """Return what a job's scrape says: the greatest number of each name."""
    text = deployment.ask(job, "/metrics").raise_for_status().text
    found: dict[str, float] = {}
    for name, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)$", text, re.MULTILINE):
        if not math.isnan(number := float(value)):
            found[name] = max(number, found.get(name, number))
    return found


def worked(deployment: Deployment) -> None:
    """Let every part do all that it does: an alert that is delivered, an event twice, and one that revenue refuses."""
    account = new_account()
    deployment.post(thriving(account, owner("en"), RENEWAL))
    eventually(lambda: deployment.ask("health", f"/v1/accounts/{account}/health").is_success, 30)
    item = {"item_id": "seats", "product_id": "pro", "quantity": 900_000_000, "unit_amount": "900000000000.00"}
    terms = {"subscription_id": "s2", "status": "active", "currency": "USD"}
    absurd = terms | {"items": [item | {"interval": "year", "interval_count": 1}]}
    news = left(account)
    deployment.post([news, news, event("subscription.snapshot", account, absurd)])
    eventually(lambda: deployment.messages(account), 60)
    eventually(lambda: deployment.get("revenue", "/v1/dead-letters")["items"], 30)


def silent(deployment: Deployment) -> list[str]:
    """Return the metrics that a job should say and does not."""
    said = {job: samples(deployment, job) for job in JOBS}
    missing = [f"{name} of {job}" for name, jobs in STANDING.items() for job in jobs if name not in said[job]]
    return missing + [f"{name} of {job}" for name, jobs in COUNTED.items() for job in jobs if not said[job].get(name)]


def test_every_metric_of_rules_and_dashboard_is_said_by_whom_it_is_about(deployment: Deployment) -> None:
    wanted = set().union(*(rule.metrics for rule in RULES), *(panel.metrics for panel in panels()))
    assert wanted == {*COUNTED, *STANDING, *SELDOM}
    worked(deployment)
    given_up = time.monotonic() + 45  # the archive writes every 30 s
    while (missing := silent(deployment)) and time.monotonic() < given_up:
        time.sleep(0.5)
    assert missing == []


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
