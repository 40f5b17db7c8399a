"""Moments as callers write them: RFC 3339, or a date that means the end of that day in the vendor's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from shared.errors import BadRequest

DATE_LENGTH = 10
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing is ever dated earlier; a look back from here stays within what a date can hold."""


def moment(text: str, zone: tzinfo) -> datetime:
    """Return the UTC moment of `text`; a date stands for the last microsecond of that day in `zone`.

    Raises:
        BadRequest: neither RFC 3339 with an offset nor YYYY-MM-DD, or before 1970.

    """
    try:
        if len(text) == DATE_LENGTH:
            found = end_of_day(date.fromisoformat(text), zone)
        else:
            # a "+" of an offset that came unescaped in a query string arrives as a blank
            found = datetime.fromisoformat(text.replace(" ", "+"))
        if found.tzinfo is not None and found.astimezone(UTC) >= BEGINNING:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadRequest(f"Write a moment as 2026-01-31 or 2026-01-31T12:00:00Z, from 1970 on, not {text[:50]!r}.")


def day(text: str) -> date:
    """Return the date of `text`. Raises BadRequest unless it is YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"Write a date as 2026-01-31, not {text[:50]!r}.") from None


def end_of_day(of: date, zone: tzinfo) -> datetime:
    """Return the last microsecond of a day in `zone`, in UTC."""
    return start_of_day(of + timedelta(days=1), zone) - timedelta(microseconds=1)


def start_of_day(of: date, zone: tzinfo) -> datetime:
    """Return the first moment of a day in `zone`, in UTC."""
    return datetime.combine(of, time(), zone).astimezone(UTC)
