"""Every measure there is, held to one contract without being named; and wrong ones, which the contract must catch."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.health.facts import AccountFacts
from services.health.measure import Measure, Reading
from services.health.rulebook import MEASURES, Rulebook
from shared.plugins import discover
from tests.contracts.measure_contract import fits, hold

RULES = Rulebook.read()
EACH = pytest.mark.parametrize("measure", discover(MEASURES), ids=lambda measure: measure.name)


@EACH
def test_keeps_its_promises(measure: Measure) -> None:
    hold(measure)


@EACH
def test_is_described_and_can_be_scored(measure: Measure) -> None:
    fits(measure, RULES.standard)


def test_names_are_unique_and_nothing_is_weighed_that_does_not_exist() -> None:
    names = [measure.name for measure in RULES.measures]
    assert len(set(names)) == len(names)
    assert all(set(definition.measures) <= set(names) for definition in RULES.definitions.values())


COUNTER = itertools.count()
MEMORY = [0]


def usage_at(facts: AccountFacts, as_of: datetime) -> Any:
    return facts.at(as_of).usage


def reads_the_clock(facts: AccountFacts, as_of: datetime) -> Reading | None:
    days = usage_at(facts, as_of)
    return Reading(float((datetime.now(UTC).date() - days[-1].day).days), days) if days else None


def looks_back_from_the_clock(facts: AccountFacts, as_of: datetime) -> Reading | None:
    days = [day for day in usage_at(facts, as_of) if day.day > datetime.now(UTC).date() - timedelta(days=28)]
    return Reading(float(len(days)), tuple(days)) if days else None


def reads_the_future(facts: AccountFacts, as_of: datetime) -> Reading | None:
    return Reading(float(len(facts.usage)), facts.usage) if usage_at(facts, as_of) else None


def changes_the_facts(facts: AccountFacts, as_of: datetime) -> Reading | None:
    for day in usage_at(facts, as_of):
        day.events["seen"] = 1
    return Reading(1.0, usage_at(facts, as_of)) if usage_at(facts, as_of) else None


def is_never_the_same(facts: AccountFacts, as_of: datetime) -> Reading | None:
    return Reading(float(next(COUNTER)), usage_at(facts, as_of)) if usage_at(facts, as_of) else None


def remembers(facts: AccountFacts, as_of: datetime) -> Reading | None:
    MEMORY.append(len(usage_at(facts, as_of)))
    return Reading(float(MEMORY[-2]), usage_at(facts, as_of)) if usage_at(facts, as_of) else None


def knows_without_facts(facts: AccountFacts, as_of: datetime) -> Reading | None:
    return Reading(float(len(usage_at(facts, as_of))), usage_at(facts, as_of))


def is_not_a_number(facts: AccountFacts, as_of: datetime) -> Reading | None:
    return Reading(float("inf"), usage_at(facts, as_of)) if usage_at(facts, as_of) else None


def rests_on_later_facts(facts: AccountFacts, as_of: datetime) -> Reading | None:
    return Reading(1.0, usage_at(facts, as_of + timedelta(days=9))) if usage_at(facts, as_of) else None


@pytest.mark.parametrize(
    "read",
    [
        reads_the_clock,
        looks_back_from_the_clock,
        reads_the_future,
        changes_the_facts,
        is_never_the_same,
        remembers,
        knows_without_facts,
        is_not_a_number,
        rests_on_later_facts,
    ],
)
def test_a_wrong_measure_is_caught(read: Any) -> None:
    wrong = Measure("wrong", "unit", {"en": "Wrong", "ja": "誤り"}, read)
    with pytest.raises(AssertionError):
        hold(wrong)
    with pytest.raises(AssertionError):
        fits(wrong, RULES.standard)
