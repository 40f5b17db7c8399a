"""The score: its parts add up, it stays in bounds, and the same facts say the same, in any order and number."""

import random
from datetime import UTC, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.course import UNKNOWN, band_of, fold_band, health, history, trend
from services.health.definition import Curve, Definition, Freshness, check
from services.health.facts import account_facts
from services.health.measure import Measure, Reading
from services.health.record import Payment
from services.health.rulebook import Rulebook
from services.health.score import score
from shared.errors import BadRequest
from tests.unit.health.histories import AS_OF, History, histories

RULES = Rulebook.read()
STANDARD = RULES.standard
FEW = settings(max_examples=40, deadline=None)
SCORES = st.lists(st.one_of(st.none(), st.integers(0, 1000).map(lambda tenth: tenth / 10)), max_size=40)


@FEW
@given(histories())
def test_contributions_and_gates_add_up_to_the_score(given: History) -> None:
    found = score(given.facts(), given.as_of, STANDARD, RULES.measures)
    if found.value is None:
        assert found.coverage < STANDARD.coverage.least
        return
    total = 50 + sum(each.contribution for each in found.components) + sum(each.effect for each in found.gates)
    assert 0 <= found.value <= 100
    assert found.value == round(total, 1)
    assert all(found.value <= each.cap for each in found.gates)
    assert sum(each.effect < 0 for each in found.gates) <= 1


@FEW
@given(histories())
def test_a_lever_is_what_the_best_reading_would_add(given: History) -> None:
    found = score(given.facts(), given.as_of, STANDARD, RULES.measures)
    weights = sum(each.weight for each in found.components)
    for each in found.components:
        assert each.contribution + each.lever == pytest.approx(50 * each.weight / weights)
        assert 0 <= each.points <= 100
    assert 0 <= found.coverage <= 1
    assert {each.measure.name for each in found.components} | {each.name for each in found.missing} == set(
        STANDARD.measures
    )


@FEW
@given(histories())
def test_the_end_of_a_day_scores_as_any_moment_does(given: History) -> None:
    facts, first = given.facts(), given.as_of.date() - timedelta(days=210)  # before the first fact
    for ended in history(facts, first, first + timedelta(days=240), STANDARD, RULES.measures)[::20]:
        midnight = facts.midnight(ended.day + timedelta(days=1))
        direct = score(facts, midnight, STANDARD, RULES.measures)
        assert (ended.score, ended.coverage) == (direct.value, direct.coverage)


@FEW
@given(histories(), st.integers(0, 5))
def test_order_repetition_and_the_future_change_nothing(given: History, seed: int) -> None:
    log, usage = [*given.log, *given.log], [*given.usage]
    random.Random(seed).shuffle(log)
    random.Random(seed).shuffle(usage)
    shuffled = account_facts("acme", UTC, log, usage)
    found = health(given.facts(), given.as_of, STANDARD, RULES.measures)
    assert health(shuffled, given.as_of, STANDARD, RULES.measures) == found
    assert health(given.facts().at(given.as_of), given.as_of, STANDARD, RULES.measures) == found


@settings(max_examples=10, deadline=None)
@given(histories())
def test_history_agrees_with_health_at_each_midnight(given: History) -> None:
    facts, last = given.facts(), given.as_of.date() - timedelta(days=1)
    for day in history(facts, last - timedelta(days=2), last, STANDARD, RULES.measures):
        then = health(facts, facts.midnight(day.day + timedelta(days=1)), STANDARD, RULES.measures)
        assert (day.score, day.band, day.coverage) == (then.score.value, then.band, then.score.coverage)


def test_nothing_known_is_unknown() -> None:
    found = health(account_facts("acme", UTC), AS_OF, STANDARD, RULES.measures)
    assert (found.score.value, found.band, found.trend, found.confidence) == (None, UNKNOWN, None, "none")
    assert found.score.biggest_lever is None


def constant(name: str, value: float, age: float = 0.0) -> Measure:
    return Measure(name, "u", {"en": name, "ja": name}, lambda facts, as_of: Reading(value, (), age))


def test_weights_fade_with_age_and_expire() -> None:
    sentiment = STANDARD.measures["sentiment"]
    fresh, fading, expired = (
        score(account_facts("acme", UTC), AS_OF, STANDARD, [constant("sentiment", 90, age)]) for age in (90, 150, 181)
    )
    assert fresh.components[0].weight == sentiment.weight
    assert fading.components[0].weight == pytest.approx(sentiment.weight / 2)
    assert (expired.components, expired.coverage) == ((), 0)


def test_half_of_the_weight_is_enough() -> None:
    even = {name: msgspec.structs.replace(STANDARD.measures[name], weight=5) for name in ("active_people", "sentiment")}
    found = score(
        account_facts("acme", UTC),
        AS_OF,
        msgspec.structs.replace(STANDARD, measures=even),
        [constant("active_people", 100)],
    )
    assert (found.coverage, found.value) == (0.5, 100.0)


@given(st.tuples(*[st.floats(-100, 100)] * 3).filter(lambda c: c[0] < c[1] < c[2]), st.floats(-200, 200), st.booleans())
def test_curves_are_bounded_monotone_and_meet_their_points(
    corners: tuple[float, float, float], value: float, falling: bool
) -> None:
    curve = Curve(*(reversed(corners) if falling else corners))
    assert 0 <= curve.points(value) <= 100
    better = value + (-1 if falling else 1)
    assert curve.points(better) >= curve.points(value) - 1e-9
    assert [curve.points(each) for each in (curve.poor, curve.ok, curve.good)] == [0, 50, 100]


@given(st.floats(0, 500), st.floats(0, 500))
def test_freshness_only_falls(one: float, other: float) -> None:
    rule = Freshness(fresh=7, half=14, expire=60)
    young, old = sorted((one, other))
    assert 0 <= rule.share(old) <= rule.share(young) <= 1


# bands


@given(SCORES, st.integers(1, 5))
def test_a_band_depends_on_the_scores_alone(values: list[float | None], times: int) -> None:
    assert len({fold_band(values, STANDARD) for _ in range(times)}) == 1
    known = [value for value in values if value is not None]
    assert (fold_band(values, STANDARD) is None) == (not known)


@given(st.floats(0, 100), st.lists(st.floats(-2.9, 2.9), min_size=1, max_size=30))
def test_scores_that_tremble_at_a_border_stay_in_their_band(start: float, steps: list[float]) -> None:
    borders = (40, 60, 80)
    nearest = min(borders, key=lambda border: abs(border - start))
    values = [nearest + step for step in steps]
    assert fold_band(values, STANDARD) == band_of(values[0], STANDARD.bands)


@given(st.sampled_from(["critical", "at_risk", "watch", "healthy"]), st.sampled_from([20.0, 50.0, 70.0, 95.0]))
def test_two_days_well_beyond_a_border_change_the_band_and_one_does_not(before: str, level: float) -> None:
    start = {"critical": 20.0, "at_risk": 50.0, "watch": 70.0, "healthy": 95.0}[before]
    assert fold_band([start, start, level], STANDARD) == before
    assert fold_band([start, start, level, start], STANDARD) == before
    assert fold_band([start, start, level, level], STANDARD) == band_of(level, STANDARD.bands)


def test_a_day_without_a_score_breaks_the_row() -> None:
    assert fold_band([90.0, 90.0, 20.0, None, 20.0], STANDARD) == "healthy"


# trend


@given(st.integers(7, 28), st.floats(-3, 3))
def test_a_straight_line_is_its_own_trend(days: int, slope: float) -> None:
    values = [50 + slope * day for day in range(days)]
    expected = "flat" if abs(slope) * 28 < 5 else "up" if slope > 0 else "down"
    if abs(abs(slope) * 28 - 5) > 0.01:
        assert trend(values, values[-1], STANDARD.trend) == expected


@given(st.integers(0, 27), st.floats(0, 100))
def test_one_wild_day_makes_no_trend(day: int, value: float) -> None:
    values = [50.0] * 28
    values[day] = value
    assert trend(values, 50.0, STANDARD.trend) == "flat"


def test_few_days_have_no_trend() -> None:
    assert trend([1.0, 50.0, 99.0], 99.0, STANDARD.trend) is None
    assert trend([50.0] * 28, None, STANDARD.trend) is None


# definitions


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("measures", "luck"), {**msgspec.to_builtins(STANDARD.measures["sentiment"])}, "luck"),
        (("gates", "rain"), {"cap": 1, "days": 1}, "rain"),
        (("measures", "sentiment", "weight"), -1, "sentiment.weight"),
        (("measures", "sentiment", "curve"), {"poor": 1, "ok": 1, "good": 2}, "sentiment.curve"),
        (("measures", "sentiment", "freshness", "half"), 0, "sentiment.freshness.half"),
        (("bands", "watch"), 90, "bands"),
    ],
)
def test_a_definition_that_cannot_be_right_names_the_line(path: tuple[str, ...], value: object, named: str) -> None:
    plain = msgspec.to_builtins(STANDARD)
    place = plain
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=named):
        check(
            msgspec.convert(plain, Definition),
            [each.name for each in RULES.measures],
            ["champion_left", "payment_failed"],
        )


def test_what_is_not_there_is_refused_by_name() -> None:
    assert RULES.definition(None) is RULES.definition("standard-1")
    for ask in (RULES.definition, RULES.measure):
        with pytest.raises(BadRequest, match="nonsense"):
            ask("nonsense")


def test_an_unknown_key_in_a_definition_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.convert({**msgspec.to_builtins(STANDARD), "colour": "red"}, Definition)


def test_every_pair_of_gates_shows_the_lower_cap_alone() -> None:
    caps = {name: gate.cap for name, gate in STANDARD.gates.items()}
    assert all(one != other for one, other in combinations(caps.values(), 2))
    assert caps == {"champion_left": 60, "payment_failed": 62}
    assert Decimal(str(STANDARD.coverage.least)) == Decimal("0.5")


def test_a_gate_lowers_the_band_at_once() -> None:
    best = [constant(name, STANDARD.measures[name].curve.good) for name in STANDARD.measures]
    stamp: Any = {"effective": AS_OF, "recorded": AS_OF, "event_id": "e"}
    failed = Payment(invoice_id="i", subscription_id=None, amount=Decimal(1), currency="EUR", paid=False, **stamp)
    free, held = (health(account_facts("acme", UTC, log), AS_OF, STANDARD, best) for log in ([], [failed]))
    assert (free.score.value, free.band) == (100.0, "healthy")
    assert (held.score.value, held.band) == (62.0, "watch")
