from hypothesis import given
from hypothesis import strategies as st

from services.health.fleet import fleet_ratios
from services.health.signal_store import ALL, FleetRatios, fleet_of
from tests.unit.health.signals.build import DECLINE, LAST_WEEK

HALVED = [10] * 8 + [5] * 3
STEADY = [10] * 11


def test_the_median_account_speaks_for_its_segment_and_for_all() -> None:
    series = [("smb", HALVED)] * 11 + [("big", STEADY)] * 10
    assert fleet_ratios(series, DECLINE) == {ALL: (0.5, 21), "smb": (0.5, 11), "big": (1.0, 10)}


def test_few_accounts_tell_nothing_and_accounts_without_a_habit_do_not_count() -> None:
    series = [("", STEADY)] * 9 + [("", [1] * 11), ("", [0] * 11), ("", [0] * 6 + [9] * 5)]
    assert fleet_ratios(series, DECLINE) == {ALL: (None, 9)}
    assert fleet_ratios([], DECLINE) == {ALL: (None, 0)}


@given(st.lists(st.lists(st.integers(3, 50), min_size=11, max_size=11), min_size=10, max_size=30))
def test_one_account_more_or_less_hardly_moves_it(accounts: list[list[int]]) -> None:
    series = [("", weeks) for weeks in accounts]
    value, count = fleet_ratios(series, DECLINE)[ALL]
    assert (count, value is not None) == (len(accounts), True)
    singles = [fleet_ratios([("", weeks)] * 10, DECLINE)[ALL][0] or 0.0 for weeks in accounts]
    assert min(singles) <= (value or 0.0) <= max(singles)


def test_a_small_segment_is_compared_with_all() -> None:
    ratios: FleetRatios = {ALL: {LAST_WEEK: 0.8}, "smb": {LAST_WEEK: None}, "big": {LAST_WEEK: 0.9}}
    assert fleet_of(ratios, "smb") == fleet_of(ratios, "unheard of") == {LAST_WEEK: 0.8}
    assert fleet_of(ratios, "big") == {LAST_WEEK: 0.9}
