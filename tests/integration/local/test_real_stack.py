"""The stack with the real services: it keeps what it was told over a restart that forgets every Kafka record."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from cli.environment import parse
from deploy.local import report, stack
from deploy.local.plan import CONSUMERS, MODULES, Plan
from deploy.local.processes import wait_for
from tests.plugins.stack import free_plan

EVENT = {
    "specversion": "1.0",
    "source": "test",
    "type": "kizuna.usage.recorded",
    "subject": "restarted",
    "data": {"event": "login", "person_id": "p1"},
}


def started(plan: Plan) -> Mapping[str, str]:
    stack.up(plan)
    return parse(report.env_file(plan).read_text())


def post(values: Mapping[str, str], event_id: str) -> None:
    headers = {"authorization": f"Bearer {values['KIZUNA_WRITE_KEY']}", "content-type": "application/cloudevents+json"}
    answer = httpx.post(f"{values['KIZUNA_INGEST_URL']}/v1/events", json=EVENT | {"id": event_id}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 1


def logins(values: Mapping[str, str]) -> int:
    headers = {"authorization": f"Bearer {values['KIZUNA_TOKEN']}"}
    answer = httpx.get(f"{values['KIZUNA_HEALTH_URL']}/v1/accounts/restarted/usage", headers=headers)
    return int(float(answer.json()["total"])) if answer.is_success else 0


@pytest.mark.slow
def test_down_loses_nothing_and_up_goes_on(tmp_path: Path) -> None:
    plan = free_plan(tmp_path / "run")
    try:
        values = started(plan)
        for part in MODULES:
            assert httpx.get(f"{plan.url(part)}/readyz").status_code == 200
        for part in CONSUMERS:
            assert httpx.get(f"{plan.url(part)}/v1/status").status_code == 401, "a token is needed"
        post(values, "before")
        stack.down(plan)
        again = started(plan)
        assert again["KIZUNA_WRITE_KEY"] == values["KIZUNA_WRITE_KEY"]
        assert logins(again) == 1, "what was on its way when the stack went down"
        post(again, "before")
        post(again, "after")
        assert wait_for(lambda: logins(again) == 2, 20, every=0.2), "the first one is known already"
    finally:
        stack.down(plan)
