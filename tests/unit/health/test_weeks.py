"""Weeks are complete when they have ended: the running one never counts, not even on its Sunday evening."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.facts import account_facts

MONDAY = date(2026, 11, 9)


@pytest.mark.parametrize(
    ("as_of", "last"),
    [
        (datetime(2026, 11, 21, 12, tzinfo=UTC), MONDAY),  # Saturday
        (datetime(2026, 11, 22, 1, 30, tzinfo=UTC), MONDAY),  # Sunday
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), MONDAY),  # Sunday, late
        (datetime(2026, 11, 22, 23, 59, 59, 999999, tzinfo=UTC), MONDAY + timedelta(weeks=1)),  # "2026-11-22" as a date
        (datetime(2026, 11, 23, tzinfo=UTC), MONDAY + timedelta(weeks=1)),  # Monday has begun
    ],
)
def test_a_week_counts_once_its_sunday_is_over(as_of: datetime, last: date) -> None:
    assert account_facts("a", UTC).last_complete_week(as_of) == last


def test_the_vendors_zone_says_when_sunday_is_over() -> None:
    tokyo = account_facts("a", ZoneInfo("Asia/Tokyo"))
    assert tokyo.last_complete_week(datetime(2026, 11, 22, 14, 59, tzinfo=UTC)) == MONDAY
    assert tokyo.last_complete_week(datetime(2026, 11, 22, 15, tzinfo=UTC)) == MONDAY + timedelta(weeks=1)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds of a strategy with zone
def test_the_last_complete_week_has_ended_and_the_next_has_not(as_of: datetime) -> None:
    monday = account_facts("a", UTC).last_complete_week(as_of)
    end = datetime(monday.year, monday.month, monday.day, tzinfo=UTC) + timedelta(weeks=1)
    assert monday.weekday() == 0
    assert end <= as_of + timedelta(microseconds=1) < end + timedelta(weeks=1)
