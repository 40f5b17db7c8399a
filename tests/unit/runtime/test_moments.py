"""Moments as callers write them."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRequest
from shared.moments import day, end_of_day, moment, start_of_day

TOKYO = ZoneInfo("Asia/Tokyo")
ZONES = sorted(available_timezones())


def test_a_date_is_the_end_of_that_day_in_the_vendors_zone() -> None:
    assert moment("2026-01-31", UTC) == datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert moment("2026-01-31", TOKYO) == datetime(2026, 1, 31, 14, 59, 59, 999999, tzinfo=UTC)


def test_rfc_3339_is_taken_with_its_offset() -> None:
    assert moment("2026-01-31T12:00:00Z", TOKYO) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert moment("2026-01-31T12:00:00+09:00", UTC) == datetime(2026, 1, 31, 3, tzinfo=UTC)
    assert moment("2026-01-31T12:00:00 09:00", UTC) == datetime(2026, 1, 31, 3, tzinfo=UTC)  # "+" unescaped in a URL


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "2026-01-31T12:00:00", "0001-01-01T00:00:00+14:00", "1969-12-31"]
)
def test_anything_else_is_a_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        moment(text, UTC)


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_a_bad_request(text: str) -> None:
    with contextlib.suppress(BadRequest):
        assert moment(text, UTC).tzinfo is UTC


@given(st.dates(min_value=date(1971, 1, 1), max_value=date(2100, 1, 1)), st.sampled_from(ZONES))
def test_days_follow_one_another_without_gap_or_overlap(of: date, zone: str) -> None:
    here = ZoneInfo(zone)
    assert end_of_day(of, here) + timedelta(microseconds=1) == start_of_day(of + timedelta(days=1), here)
    assert start_of_day(of, here) < end_of_day(of, here)


def test_day_reads_dates_only() -> None:
    assert day("2026-01-31") == date(2026, 1, 31)
    with pytest.raises(BadRequest):
        day("January")
