"""What follows from an outcome, and that attempts are bounded and spread."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.channel import TOO_LATE, Outcome, Refused, Sent, Throttled, Unavailable, Unclear
from services.alerts.delivery import (
    BETWEEN_MESSAGES,
    LONGEST_LIFE,
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    delivery_id,
    pause_after,
    settle,
)
from tests.unit.alerts.saying import START

YOUNG = timedelta(hours=2)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Sent("1"), "sent"),
        (Throttled(7), "pending"),
        (Unavailable("no"), "pending"),
        (Unclear("perhaps"), "ambiguous"),
        (Refused("never"), "dead"),
    ],
)
def test_every_outcome_has_its_state(outcome: Outcome, state: str) -> None:
    assert settle(outcome, 1, YOUNG, START, 0.5).state == state


@given(st.floats(0, 3600), st.floats(0, 1, exclude_max=True))
def test_retry_after_is_never_undercut_not_even_for_the_next_message(seconds: float, jitter: float) -> None:
    settled = settle(Throttled(seconds), 1, YOUNG, START, jitter)
    assert settled.not_before >= START + timedelta(seconds=seconds)
    assert settled.pause >= timedelta(seconds=seconds)
    assert settled.pause >= BETWEEN_MESSAGES


@given(st.sampled_from([Throttled(1), Unavailable("no"), Unclear("perhaps")]), st.floats(0, 1, exclude_max=True))
def test_attempts_are_bounded_and_the_last_reason_is_kept(outcome: Outcome, jitter: float) -> None:
    settled = settle(outcome, MOST_ATTEMPTS, LONGEST_LIFE, START, jitter)
    assert (settled.state, settled.if_last) == ("dead", None)
    assert settled.reason
    assert "gave up after 20 attempts" in settled.reason


@given(st.integers(1, 2 * MOST_ATTEMPTS), st.floats(0, 1, exclude_max=True))
def test_being_too_late_is_no_attempt_and_kills_nothing(attempts: int, jitter: float) -> None:
    settled = settle(TOO_LATE, attempts, YOUNG, START, jitter)
    assert (settled.state, settled.counts) == ("pending", False)
    assert settled.not_before > START


@pytest.mark.parametrize("outcome", [Sent("1"), Unavailable("no"), Unclear("perhaps"), Refused("never")])
def test_every_answer_of_the_other_side_is_an_attempt(outcome: Outcome) -> None:
    assert settle(outcome, 1, YOUNG, START, 0.5).counts


@given(st.integers(1, 2 * MOST_ATTEMPTS))
def test_a_429_is_no_attempt_until_the_delivery_is_three_days_old(attempts: int) -> None:
    young = settle(Throttled(7), attempts, LONGEST_LIFE - timedelta(seconds=1), START, 0.5)
    assert (young.state, young.counts) == ("pending", False)
    old = settle(Throttled(7), attempts, LONGEST_LIFE, START, 0.5)
    assert (old.state, old.counts) == ("dead" if attempts >= MOST_ATTEMPTS else "pending", True)


@given(st.integers(MOST_ATTEMPTS, 400), st.floats(0, 1, exclude_max=True))
def test_an_outage_does_not_kill_the_last_hope_before_its_time(attempts: int, jitter: float) -> None:
    settled = settle(Unavailable("no"), attempts, LONGEST_LIFE - timedelta(seconds=1), START, jitter)
    assert settled.state == "dead"
    assert settled.if_last
    assert (settled.if_last.state, settled.if_last.reason) == ("pending", "no")
    assert LONGEST_PAUSE * 3 / 4 <= settled.if_last.not_before - START <= LONGEST_PAUSE


@pytest.mark.parametrize("outcome", [Unclear("perhaps"), Refused("never")])
def test_what_may_have_arrived_or_never_will_keeps_its_limit(outcome: Outcome) -> None:
    settled = settle(outcome, MOST_ATTEMPTS, YOUNG, START, 0.5)
    assert (settled.state, settled.if_last) == ("dead", None)


@given(st.integers(1, MOST_ATTEMPTS), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_and_are_bounded(attempts: int, jitter: float) -> None:
    pause = pause_after(attempts, jitter)
    assert timedelta(seconds=0.75) <= pause <= LONGEST_PAUSE
    assert pause_after(attempts + 1, jitter) >= pause


def test_a_delivery_has_one_name_for_ever() -> None:
    names = {delivery_id("a", rank, tier, channel) for rank in (2, 3) for tier in "xy" for channel in "pq"}
    assert len(names) == 8
    assert delivery_id("a", 2, "x", "p") in names
