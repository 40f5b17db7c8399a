"""Every service is killed in the middle of its work, three times and more, while history and news come in.

Afterwards everything is as if nothing had happened: the same state as in a stack that was left in peace, and the news
reached its owner once, or again only with the remark that it may have come before.
"""

from __future__ import annotations

import csv
import lzma
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy.local import stack
from tests.chaos.killing import Feeder, Killer
from tests.e2e.story import event, left, new_account, owner, thriving
from tests.plugins.e2e import CONSUMERS, clean_deployment, eventually
from tests.unit.revenue.crm6 import table

if TYPE_CHECKING:
    from tests.plugins.e2e import Deployment

SLICE = Path(__file__).parents[1] / "data" / "crm6_slice"
TIMES = 3
ACCOUNTS, EVENTS = 80, 20_000
BATCHES, PER_BATCH = 45, 10
PAUSE = 0.7
KILLING_SECONDS = 150
REPEATED = "This may repeat an earlier message"
RENEWAL = datetime.now(UTC).date() + timedelta(days=250)
SERVICES = ("ingest", *CONSUMERS)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_whoever_is_killed_at_work_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    history = part_of_crm6(tmp_path / "crm6")
    account, person = new_account(), owner("en")
    batches = [news() for _ in range(BATCHES)]
    batches[0] += thriving(account, person, RENEWAL)
    batches[BATCHES // 3].append(left(account))
    with clean_deployment(tmp_path / "undisturbed") as (_, deployment):
        feeder = Feeder(deployment, batches, 0)
        feeder.start()
        deployment.say("import", "crm6", str(history))
        finished(deployment, feeder, account)
        expected = state(deployment)
    with clean_deployment(tmp_path / "disturbed") as (plan, deployment):
        feeder = Feeder(deployment, batches, PAUSE)
        feeder.start()
        with deployment.kizuna("import", "crm6", str(history), "--no-wait") as importing:
            eventually(lambda: [*deployment.folder.glob(".run/import/*.json")], 60)
            with Killer(plan, deployment, feeder) as killer:
                kill_all(killer)
            feeder.hurry.set()
            _, err = importing.communicate(timeout=120)
        assert importing.returncode == 0, err
        stack.up(plan)
        finished(deployment, feeder, account)
        assert feeder.cut >= TIMES
        assert state(deployment) == expected, killer.struck
        told_once(deployment, account)
        deployment.post([event("usage.recorded", account, {"event": "login", "person_id": "p0"})])
        eventually(lambda: state(deployment)["health"] != expected["health"], 30)


def kill_all(killer: Killer) -> None:
    """Strike whenever a service is at work, until each was struck often enough."""
    given_up = time.monotonic() + KILLING_SECONDS
    while missing := [name for name, struck in killer.struck.items() if len(struck) < TIMES]:
        assert time.monotonic() < given_up, f"not at work often enough: {killer.struck}"
        for service in missing:
            killer.strike(service)


def finished(deployment: Deployment, feeder: Feeder, account: str) -> None:
    """Wait until everything was posted, absorbed and told."""
    feeder.join(60)
    assert not feeder.is_alive()
    eventually(partial(at_rest_for_a_while, deployment), 120)
    eventually(lambda: {message["channel"] for message in deployment.messages(account)} == {"slack", "email"}, 60)


def at_rest_for_a_while(deployment: Deployment) -> bool:
    """Services feed one another, so one look at each may miss what is on its way between two of them."""
    for _ in range(4):
        if not all(deployment.ask(service, "/readyz").is_success for service in CONSUMERS) or not deployment.at_rest():
            return False
        time.sleep(0.5)
    return True


def state(deployment: Deployment) -> dict[str, Any]:
    """Return what must not depend on kills: every service's fingerprint, and the books."""
    prints = dict(line.split() for line in deployment.say("fingerprint").splitlines())
    assert prints.keys() == set(SERVICES)
    window = {"from": "2022-06-01", "to": "2023-06-01"}
    return prints | {"retention": deployment.ask("revenue", "/v1/retention", **window).content}


def told_once(deployment: Deployment, account: str) -> None:
    for channel in ("slack", "email"):
        first, *again = deployment.messages(account, channel)
        assert REPEATED not in str(first)
        assert all(REPEATED in str(message) for message in again)


def news() -> list[dict[str, Any]]:
    """Return live events about a dozen customers: a contract, a champion who leaves, a login."""
    item = {"item_id": "seats", "product_id": "pro", "quantity": 5, "unit_amount": "20.00", "interval": "month"}
    made = []
    for account in (new_account() for _ in range(PER_BATCH)):
        contract = {"subscription_id": account, "status": "active", "currency": "USD"}
        made += [
            event("contact.upserted", account, {"contact_id": "c1", "roles": ["champion"]}),
            event("subscription.snapshot", account, contract | {"items": [item | {"interval_count": 1}]}),
            event("usage.recorded", account, {"event": "login", "person_id": "p0"}),
            left(account),
        ]
    return made


def part_of_crm6(folder: Path) -> Path:
    """Write a smaller import: the oracle's contracts of some accounts, and some of the slice's usage."""
    folder.mkdir()
    accounts = sorted(table("account.csv"), key=lambda row: int(row["id"]))[:ACCOUNTS]
    known = {row["id"] for row in accounts}
    contracts = [row for row in table("subscription.csv.gz") if row["account_id"] in known]
    for name, rows in (("accounts", accounts), ("subscriptions", contracts)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    with lzma.open(SLICE / "events.csv.xz", "rt") as whole:
        (folder / "events.csv").write_text("".join(islice(whole, EVENTS + 1)))
    return folder
