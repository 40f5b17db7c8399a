"""The rule against invented histories: what it misses, how soon it sees, how often it cries wolf."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.decline import Decline, decline, ratio
from services.health.fleet import fleet_ratios
from tests.unit.health.signals.build import DECLINE

BASE = [10] * 8


def judged(weeks: list[int], fleet: list[float | None] | None = None) -> Decline | None:
    return decline(weeks, fleet or [None] * len(weeks), DECLINE)


def test_a_lasting_fall_opens_dates_itself_and_keeps_its_base() -> None:
    found = judged([*BASE, 5, 5, 5])
    assert found is not None
    assert (found.base, found.ratio, found.fell, found.cliff) == (10, 0.5, 8, False)
    later = judged([*BASE, *[5] * 20])
    assert later is not None
    assert (later.base, later.opened) == (10, found.opened)


def test_a_week_of_silence_is_a_cliff_at_once() -> None:
    found = judged([*BASE, 10, 10, 0])
    assert found is not None
    assert (found.cliff, found.fell) == (True, 10)


def test_a_cliff_is_the_last_weeks_and_only_its_weight_stays() -> None:
    back = judged([*BASE, 10, 10, 0, 10])
    assert back is not None
    assert (back.cliff, back.was_cliff) == (False, True)
    slid = judged([*BASE, 5, 5, 5, 0])
    assert slid is not None
    assert (slid.cliff, slid.was_cliff) == (True, True)
    unknown = judged([*BASE, 10, 10, 0, 10], [None] * 11 + [0.6])
    assert unknown is not None, "what was open stays open while nothing can be judged"
    assert not unknown.cliff


@pytest.mark.parametrize("weeks", [[*BASE, 7, 7, 7], [*BASE, 10, 10, 2], [2] * 8 + [0] * 3, [10] * 5 + [0] * 3])
def test_small_falls_small_accounts_and_short_histories_stay_quiet(weeks: list[int]) -> None:
    assert judged(weeks) is None


def test_the_habit_begins_with_the_first_usage() -> None:
    found = judged([*[0] * 30, *[10] * 6, 0, 0, 0])
    assert found is not None
    assert found.habit == range(30, 36)


def test_it_ends_after_two_good_weeks_not_after_one() -> None:
    fallen = [*BASE, 5, 5, 5]
    assert judged([*fallen, 9, 9, 9]) is not None
    assert judged([*fallen, 9, 9, 9, 9]) is None
    assert judged([*fallen, 9, 9, 9, 1]) is not None


def test_after_half_a_year_the_new_level_is_taken_for_granted() -> None:
    assert judged([*BASE, *[5] * 28]) is not None
    assert judged([*BASE, *[5] * 29]) is None


def test_a_falling_fleet_is_divided_out_and_a_collapsed_one_silences() -> None:
    fallen = [*BASE, 5, 5, 5]
    assert judged(fallen, [None] * 10 + [0.75]) is None
    assert judged(fallen, [None] * 10 + [0.95]) is not None
    assert judged([*BASE, 0, 0, 0], [None] * 8 + [0.6] * 3) is None
    open_before = judged([*BASE, 2, 2, 2, 10, 10, 10, 10], [None] * 11 + [0.6] * 4)
    assert open_before is not None, "what was open stays open while nothing can be judged"


def test_one_silent_week_while_the_fleet_has_fallen_is_no_cliff_and_a_second_one_is_a_drop() -> None:
    """A holiday week takes a large account three quarters and a small one all: the fleet's ratio is of three weeks."""
    large, small = [*[20] * 12, 5], [*[4] * 12, 0]
    series = [("", large)] * 15 + [("", small)] * 6
    fallen = fleet_ratios(series, DECLINE)[""][0]
    assert fallen == 0.75
    before: list[float | None] = [1.0] * 12
    assert judged(small, [*before, fallen]) is None
    assert judged([*small, 4, 4], [*before, fallen, fallen, fallen]) is None
    silent = judged([*small, 0], [*before, fallen, fallen])
    assert silent is not None
    assert (silent.cliff, silent.was_cliff, silent.fell) == (False, False, 12)
    assert judged(small, [*before, 0.95]) is not None


WEEKS = st.lists(st.integers(0, 60), max_size=60)


@given(WEEKS, st.integers(0, 30))
def test_silence_before_the_first_usage_changes_nothing(weeks: list[int], silence: int) -> None:
    found, shifted = judged(weeks), judged([0] * silence + weeks)
    if found is None or shifted is None:
        assert found is shifted
        return
    habit = range(found.habit.start + silence, found.habit.stop + silence)
    assert shifted == replace(found, opened=found.opened + silence, fell=found.fell + silence, habit=habit)


@given(st.lists(st.integers(3, 60), max_size=60), st.sampled_from([2, 4, 8]))
def test_only_proportions_count(weeks: list[int], factor: int) -> None:
    found, scaled = judged(weeks), judged([each * factor for each in weeks])
    assert scaled == (None if found is None else replace(found, base=found.base * factor))


def test_the_fleets_ratio_is_that_of_the_last_weeks_to_the_base() -> None:
    assert ratio([*BASE, 5, 5, 5], DECLINE) == 0.5
    assert ratio([1] * 11, DECLINE) is None


def noisy(random: Random, level: float, weeks: int) -> list[int]:
    """Weekly persons around a level, with the noise of an account of that size."""
    return [max(0, round(random.gauss(level, max(1.0, 0.15 * level)))) for _ in range(weeks)]


def weeks_until_seen(random: Random, left: float) -> int | None:
    """How many weeks after a fall to `left` of the level it is seen, None when not within six."""
    level = random.choice([8, 15, 30, 60, 120, 250])
    history = noisy(random, level, 20)
    fallen = noisy(random, level * left, 6)
    if judged(history) is not None:
        return 0
    return next((n for n in range(1, 7) if judged(history + fallen[:n]) is not None), None)


def test_halved_usage_is_seen_within_three_weeks_and_a_collapse_within_one() -> None:
    random = Random(7)
    halved = [weeks_until_seen(random, 0.5) for _ in range(300)]
    assert sum(n is not None and n <= 3 for n in halved) / len(halved) > 0.93
    gone = [weeks_until_seen(random, 0.04) for _ in range(300)]
    assert sum(n is not None and n <= 1 for n in gone) / len(gone) > 0.97


def test_noise_alone_alarms_less_than_once_in_two_years() -> None:
    random = Random(11)
    years, alarms = 0, 0
    for _ in range(120):
        weeks = noisy(random, random.choice([8, 15, 30, 60, 120, 250]), 63)
        states = [judged(weeks[:end]) for end in range(11, len(weeks) + 1)]
        alarms += sum(now is not None and before is None for before, now in pairwise(states))
        years += 1
    assert alarms / years < 0.4
