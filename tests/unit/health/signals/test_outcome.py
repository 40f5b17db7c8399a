"""Progress, plan and return as numbers, whatever the objectives."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.outcome import MOST_PROGRESS, Reached, reached, roi, term, term_edges, value_share, worth
from services.health.record import Fact
from tests.unit.health.signals.build import NOW, account, ago, measured, objective, profile, subscription

TRUST = {"customer": Decimal(1), "vendor": Decimal("0.6"), "estimate": Decimal("0.3")}
NO_LEAST = Decimal(0)


def standing(*log: Fact) -> tuple[Reached, ...]:
    facts = account(*log)
    return reached(facts, facts.objectives, NOW)


@pytest.mark.parametrize(("value", "progress"), [(0, "0"), (25, "0.25"), (100, "1"), (300, "1.2"), (-50, "0")])
def test_progress_is_the_share_of_the_way_clipped(value: int, progress: str) -> None:
    (each,) = standing(objective(200), measured(10, value))
    assert each.progress == Decimal(progress)


def test_a_way_down_is_a_way_too() -> None:
    (each,) = standing(objective(200, baseline=Decimal(100), target=Decimal(50)), measured(10, 75))
    assert each.progress == Decimal("0.5")


def test_what_was_planned_counts_at_the_time_of_the_measurement() -> None:
    log = objective(200, due_in=200), measured(100, 25)
    (each,) = standing(*log)
    assert each.expected == Decimal("0.25")
    assert value_share([each], NO_LEAST) == Decimal(1)


def test_only_what_was_measured_by_then_counts() -> None:
    facts = account(objective(200), measured(10, 50), objective(200, name="other"))
    assert len(reached(facts, facts.objectives, NOW)) == 1
    assert reached(facts, facts.objectives, ago(11)) == ()


def test_nothing_is_said_where_little_was_expected_yet() -> None:
    early = standing(objective(10, due_in=100), measured(8, 0))
    assert value_share(early, Decimal("0.1")) is None
    assert value_share((), NO_LEAST) is None


def test_trust_and_the_greatest_price_make_the_return() -> None:
    found = standing(objective(200), measured(10, 50, by="vendor"))
    assert worth(found, TRUST) == Decimal(7200)
    assert roi(found, {"USD": Decimal(12000)}, TRUST) == (Decimal("0.6"), "USD")
    assert roi(found, {"USD": Decimal(12000), "JPY": Decimal(10**9)}, TRUST) is None, "worth nothing in that currency"
    assert roi(found, {}, TRUST) is None
    assert roi((), {"USD": Decimal(1)}, TRUST) is None


def test_the_running_term_is_that_of_the_greatest_revenue_else_the_profiles() -> None:
    start, end = date(2026, 2, 1), date(2027, 2, 1)
    assert term(account(subscription(300, term_start=start, term_end=end)), NOW) == (start, end)
    assert term(account(subscription(300, "0", term_start=start, term_end=end)), NOW) is None
    over = subscription(900, term_start=date(2024, 1, 1), term_end=date(2025, 1, 1))
    assert term(account(over), NOW) is None
    assert term(account(over, profile(9, started_on=start, renewal_on=end)), NOW) == (start, end)
    assert term(account(profile(9, started_on=end, renewal_on=start)), NOW) is None
    assert term_edges(account(subscription(300, term_start=start, term_end=end))) == (start, end)


VALUES = st.decimals(-1000, 1000, places=2)
SOME = st.lists(st.tuples(VALUES, VALUES, VALUES, st.integers(-300, 300)), min_size=1, max_size=5)


@given(SOME)
def test_progress_expectation_and_share_stay_within_their_bounds(
    drawn: list[tuple[Decimal, Decimal, Decimal, int]],
) -> None:
    log: list[Fact] = []
    for number, (baseline, target, value, due_in) in enumerate(drawn):
        log.append(objective(200, due_in, name=f"o{number}", baseline=baseline, target=target))
        log.append(measured(10, float(value), name=f"o{number}"))
    found = standing(*log)
    assert len(found) == sum(baseline != target for baseline, target, _, _ in drawn)
    assert all(0 <= each.progress <= MOST_PROGRESS and 0 <= each.expected <= 1 for each in found)
    share = value_share(found, Decimal("0.1"))
    assert share is None or 0 <= share <= 12


@given(VALUES, VALUES)
def test_more_reached_is_never_worth_less(one: Decimal, other: Decimal) -> None:
    low, high = (standing(objective(200), measured(10, float(value))) for value in sorted((one, other)))
    assert worth(low, TRUST) <= worth(high, TRUST)
