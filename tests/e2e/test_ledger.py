"""The books of two years: imported by the command line they show the oracle's numbers, and in any order the same."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cli.importer import crm6
from tests.plugins.e2e import clean_deployment, eventually
from tests.unit.revenue.crm6 import FOLDER, table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx

    from tests.plugins.e2e import Deployment

YEAR = ("2022-06-01", "2023-06-01")
BATCH = 2_500
MONTHS = table("gold_2_8_net_retention_multi.csv")
LOOKED_AT = ("198", *(row["id"] for row in table("account.csv")[::100]))
SEED = 42


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_oracle_by_the_command_line_and_the_same_in_any_order_and_twice(tmp_path: Path) -> None:
    with clean_deployment(tmp_path / "imported") as (_, deployment):
        deployment.say("import", "crm6", str(FOLDER), seconds=200)
        imported = books(deployment)
        shows_the_oracle(imported)
        prints_the_year(deployment, msgspec.json.decode(imported[YEAR]))
    with clean_deployment(tmp_path / "shuffled") as (_, deployment):
        post_shuffled_and_twice(deployment)
        assert books(deployment) == imported


def shows_the_oracle(books: Mapping[Any, bytes]) -> None:
    year = msgspec.json.decode(books[YEAR])
    assert year["nrr"]["value"].startswith("0.9072871")
    assert (year["nrr"]["numerator"], year["nrr"]["denominator"]) == ("218208.00", "240506.00")
    logos = year["logo_retention"]
    assert (logos["numerator"], logos["denominator"]) == (184, 224)
    for row in MONTHS:
        month = msgspec.json.decode(books[row["start_date"], row["end_date"]])
        assert float(month["nrr"]["value"]) == float(row["net_retention_rate"])
    rows = msgspec.json.decode(books["198"])["items"]
    gap = [row for row in rows if row["kind"] in {"churn", "reactivation"}]
    assert ("churn", "-2400.00") in [(row["kind"], row["amount"]) for row in gap]
    assert ("reactivation", "2030.00") in [(row["kind"], row["amount"]) for row in gap]


def prints_the_year(deployment: Deployment, year: dict[str, Any]) -> None:
    assert msgspec.json.decode(deployment.say("nrr", *YEAR, "--json")) == year
    printed = deployment.say("nrr", *YEAR)
    for shown in ("90.7", "82.1", "218208.00", "240506.00"):
        assert shown in printed.replace(",", ""), f"{shown} is not in\n{printed}"


def books(deployment: Deployment) -> dict[Any, bytes]:
    """Return retention of the year and of its months, and some accounts' whole ledgers, as they are answered."""
    windows = [YEAR, *((row["start_date"], row["end_date"]) for row in MONTHS)]
    answers = {
        window: deployment.ask("revenue", "/v1/retention", **{"from": window[0], "to": window[1]}) for window in windows
    }
    ledgers = {each: deployment.ask("revenue", f"/v1/accounts/{each}/ledger", limit=500) for each in LOOKED_AT}
    found: dict[Any, httpx.Response] = {**answers, **ledgers}
    assert {each.status_code for each in found.values()} == {200}
    return {name: answer.content for name, answer in found.items()}


def post_shuffled_and_twice(deployment: Deployment) -> None:
    feeds = crm6.feeds(FOLDER, crm6.Options())
    events = [msgspec.json.decode(numbered.event) for feed in feeds for numbered in feed.events(1)] * 2
    random.Random(SEED).shuffle(events)
    for start in range(0, len(events), BATCH):
        deployment.post(events[start : start + BATCH])
    eventually(lambda: deployment.counted("revenue", events[-1]) and deployment.at_rest(), 120)
