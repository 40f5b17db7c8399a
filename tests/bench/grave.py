"""How soon an owner hears of a grave fact while the product reports its usual use: acceptance to the Slack stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from cli.environment import parse
from deploy.local import report, stack
from deploy.local.plan import broker_kind
from tests.bench.rows import Row, console, rows
from tests.e2e.story import event, left, new_account, owner
from tests.plugins.e2e import Deployment, eventually
from tests.plugins.stack import free_plan

if TYPE_CHECKING:
    from pathlib import Path

BACKGROUND, A_REQUEST = 2000, 20
EVERY_SECONDS = 0.5
AIM_SECONDS = 2.0
SETTLE_SECONDS = 5
PATIENCE = 60.0


def grave(folder: Path, facts: int) -> list[Row]:
    """Run a whole stack under background usage and tell it `facts` times that a champion has left."""
    plan = replace(free_plan(folder), kafka=None, database=None, broker=broker_kind(os.environ))
    stack.up(plan)
    try:
        with httpx.Client(timeout=30) as http:
            took = sorted(_told(Deployment(parse(report.env_file(plan).read_text()), folder, http), facts))
    finally:
        stack._stop_in_order(stack.running_parts(plan))
    slowest = took[min(len(took) - 1, int(len(took) * 0.99))]
    found = {"p50": took[len(took) // 2], "p99": slowest}
    console.print(f"[dim]{facts} grave facts under {BACKGROUND} events/s: {found}[/dim]")
    return [row for name, value in found.items() for row in rows(f"grave.{name}", "s", [(value, {"aim": AIM_SECONDS})])]


def _told(deployment: Deployment, facts: int) -> list[float]:
    accounts = [new_account() for _ in range(facts)]
    for account in accounts:
        deployment.post(_known(account))
    eventually(deployment.at_rest, PATIENCE)
    seconds = facts * EVERY_SECONDS + SETTLE_SECONDS
    command = [sys.executable, "-m", "tests.bench.steady", f"{deployment.url('ingest')}/v1/batch"]
    rate = BACKGROUND / A_REQUEST
    rest = [deployment.environment["KIZUNA_WRITE_KEY"], str(A_REQUEST), str(rate), str(seconds)]
    with subprocess.Popen([*command, *rest], stdout=subprocess.DEVNULL) as background:
        time.sleep(SETTLE_SECONDS)
        accepted = {}
        for account in accounts:
            accepted[account] = deployment.post([left(account)])
            time.sleep(EVERY_SECONDS)
        found = [_heard(deployment, account, moment) for account, moment in accepted.items()]
        background.wait()
    return found


def _known(account: str) -> list[dict[str, object]]:
    """Return what has to be known of an account: an owner of its own, and a champion."""
    long_ago = datetime.now(UTC) - timedelta(days=100)
    contact = {"contact_id": "c1", "name": "Kenji Sato", "roles": ["champion"]}
    return [
        event("account.profiled", account, {"name": account}, long_ago),
        event("account.owner_assigned", account, {"role": "csm", "person": owner("en-US")}, long_ago),
        event("contact.upserted", account, contact, long_ago),
    ]


def _heard(deployment: Deployment, account: str, accepted: datetime) -> float:
    message = eventually(lambda: deployment.messages(account, "slack"), PATIENCE)[0]
    return (datetime.fromisoformat(message["received_at"]) - accepted).total_seconds()
