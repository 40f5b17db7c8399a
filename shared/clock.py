"""The one place that reads the clock. Called at the edge only; rules take `as_of`, `known_at`, `now` as arguments."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, UTC."""
    return datetime.now(UTC)
