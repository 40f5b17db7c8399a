"""What every measure promises. Plain assertions, so that the tests can hold right and wrong measures to them alike."""

import random
from copy import deepcopy
from datetime import UTC
from math import isfinite

from hypothesis import Phase, given, settings

from services.health.definition import Curve, Definition
from services.health.facts import account_facts
from services.health.measure import Measure, Reading
from tests.unit.health.histories import AS_OF, BUSY, LONG_AGO, History, histories, shifted, to_this_week

EXAMPLES = 60


def hold(measure: Measure) -> None:
    """Raise AssertionError when some history shows that a measure breaks its promises."""
    broken: list[AssertionError] = []

    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate])
    @given(histories())
    def look(history: History) -> None:
        if not broken:  # the first is kept: a measure that is wrong by chance need not be wrong again
            try:
                _check(measure, history)
            except AssertionError as error:
                error.add_note(f"{measure.name}, with {history}")
                broken.append(error)

    _is_silent_about_nothing(measure)
    look()
    if broken:
        raise broken[0]


def fits(measure: Measure, definition: Definition) -> None:
    """Raise AssertionError when a measure is not described, or cannot be scored by a definition."""
    assert measure.name in definition.measures, f"give {measure.name} a line in {definition.name}.yaml"
    assert measure.unit
    assert all(measure.title.get(language) for language in ("en", "ja")), "titles are needed in English and Japanese"
    curve = definition.measures[measure.name].curve
    _rises_from_poor_to_good(curve)


def _check(measure: Measure, history: History) -> None:
    _is_pure(measure, history)
    _knows_no_future(measure, history)
    _knows_no_clock(measure, history)
    _ignores_order_and_repetition(measure, history)
    _is_sane(measure, history)


def _is_pure(measure: Measure, history: History) -> None:
    facts = history.facts()
    untouched = deepcopy(facts)
    before = measure.read(facts, history.as_of)
    measure.read(BUSY.facts(), BUSY.as_of)
    assert measure.read(facts, history.as_of) == before, "the same facts, another reading: it remembers, or rolls dice"
    assert facts == untouched, "reading changed the facts"


def _knows_no_future(measure: Measure, history: History) -> None:
    facts = history.facts()
    assert measure.read(facts, history.as_of) == measure.read(facts.at(history.as_of), history.as_of), "saw the future"


def _knows_no_clock(measure: Measure, history: History) -> None:
    """What is whole weeks later in everything reads the same: long ago as in this week, which alone a clock can see."""
    present = shifted(history, to_this_week(history))
    past = shifted(present, LONG_AGO)
    now, then = measure.read(present.facts(), present.as_of), measure.read(past.facts(), past.as_of)
    assert (now is None) == (then is None), "depends on something beside the facts"
    if now and then:
        assert (now.value, now.age_days, len(now.basis)) == (then.value, then.age_days, len(then.basis)), (
            "reads a clock"
        )


def _ignores_order_and_repetition(measure: Measure, history: History) -> None:
    log, usage = [*history.log, *history.log], [*history.usage]
    random.Random(7).shuffle(log)
    random.Random(7).shuffle(usage)
    again = account_facts("acme", history.facts().zone, log, usage)
    assert measure.read(again, history.as_of) == measure.read(history.facts(), history.as_of), "order matters"


def _is_sane(measure: Measure, history: History) -> None:
    facts = history.facts().at(history.as_of)
    reading = measure.read(facts, history.as_of)
    if reading is None:
        return
    assert isinstance(reading, Reading)
    assert isfinite(reading.value)
    assert reading.age_days >= 0
    known = [*facts.log, *facts.usage]
    assert all(each in known for each in reading.basis), "rests on what is not known"


def _is_silent_about_nothing(measure: Measure) -> None:
    assert measure.read(account_facts("acme", UTC), AS_OF) is None, "reads something where nothing is known"


def _rises_from_poor_to_good(curve: Curve) -> None:
    low, high = min(curve.poor, curve.good), max(curve.poor, curve.good)
    span = high - low
    values = [low - span + step * span * 3 / 60 for step in range(61)]
    points = [curve.points(value) for value in values]
    assert all(0 <= each <= 100 for each in points)
    assert points == sorted(points, reverse=curve.poor > curve.good)
    assert [curve.points(value) for value in (curve.poor, curve.ok, curve.good)] == [0, 50, 100]
