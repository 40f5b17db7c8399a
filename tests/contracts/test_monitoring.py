"""Rules and dashboard speak of metrics and labels that there are, lead to a runbook, and are generated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import services.alerts.dispatch
import services.health.fleet
import services.ingest.publish
from deploy.monitoring.__main__ import main
from deploy.monitoring.dashboard import document, panels
from deploy.monitoring.rules import RULES, RUNBOOK, Rule
from shared.observability import REGISTRY

OWNERS = (services.alerts.dispatch, services.health.fleet, services.ingest.publish)  # importing them registers metrics
ADDED = {"job", "instance", "le"}  # by the scrape, and by histograms
EXPRESSIONS = [*(rule.expr for rule in RULES), *(expr for panel in panels() for expr in panel.queries.values())]


def known() -> dict[str, set[str]]:
    """Names of series with the labels that each may have."""
    found = {}
    for metric in REGISTRY._collector_to_names:
        for name in REGISTRY._collector_to_names[metric]:
            found[name] = {*metric._labelnames, *ADDED}  # type: ignore[attr-defined]  # a collector of the library
    return found


def unknown_in(expression: str) -> list[str]:
    """Return metrics and labels of an expression that do not exist."""
    series = known()
    names = re.findall(r"\bkizuna_[a-z_]+", expression)
    wrong = [name for name in names if name not in series]
    labels = set().union(*(series.get(name, set()) for name in names), ADDED)
    used = re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    used += [each.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for each in group.split(",")]
    return wrong + [label for label in used if label not in labels]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_what_there_is(expression: str) -> None:
    assert unknown_in(expression) == []


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [("rate(kizuna_no_such_total[5m])", ["kizuna_no_such_total"]), ('kizuna_ready{parts="x"}', ["parts"])],
)
def test_what_there_is_not_is_found(expression: str, wrong: list[str]) -> None:
    assert unknown_in(expression) == wrong


def test_every_metric_of_ours_is_on_the_dashboard_or_in_a_rule() -> None:
    shown = {re.sub(r"_bucket$", "", name) for each in EXPRESSIONS for name in re.findall(r"\bkizuna_[a-z_]+", each)}
    families = {re.sub(r"_(total|created|bucket|sum|count)$", "", name) for name in known()}
    assert families - {re.sub(r"_total$", "", name) for name in shown} == {"kizuna_fleet_usage_ratio"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_what_it_is_about(rule: Rule) -> None:
    for label in rule.labels:
        assert f"$labels.{label}" in rule.summary


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_leads_to_its_runbook(rule: Rule) -> None:
    text = (Path(__file__).parents[2] / RUNBOOK).read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    assert rule.anchor in {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_dashboard_places_no_panel_on_another() -> None:
    places = [panel["gridPos"] for panel in document()["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))


def test_the_files_are_what_would_be_written() -> None:
    assert main(["--check"]) == 0
