"""The course of health over time: daily scores at midnight, and the band and trend that are folded from them. Pure.

Nothing here is remembered between runs: whoever asks, and however often, the same facts give the same course. The fold
looks back over a bounded window (`hysteresis.window_days` midnights) and starts from the first score in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

from services.health.definition import Bands, Definition, TrendRule
from services.health.facts import AccountFacts, median
from services.health.measure import Measure
from services.health.score import Score, score
from shared.events.derived import Band

UNKNOWN: Final[Band] = "unknown"
BANDS: Final[tuple[Band, ...]] = ("critical", "at_risk", "watch", "healthy")
LEAST_TREND_POINTS: Final = 7


@dataclass(frozen=True, slots=True)
class Health:
    """Health at one moment, with the band it is in, its trend (`up`, `down`, `flat`, None: too little is known)."""

    as_of: datetime
    definition: Definition
    score: Score
    band: Band
    trend: str | None

    @property
    def confidence(self) -> str:
        """How much to make of the score: `sure`, `low` (too little of the weight is known), `none` (no score)."""
        if self.score.value is None:
            return "none"
        return "sure" if self.score.coverage >= self.definition.coverage.sure else "low"


@dataclass(frozen=True, slots=True)
class Day:
    """One day's end: the score at the midnight after it, and the band."""

    day: date
    score: float | None
    band: Band
    coverage: float


def health(facts: AccountFacts, as_of: datetime, definition: Definition, measures: Sequence[Measure]) -> Health:
    """Compute health as of a moment, and the course that led to it."""
    view = facts.at(as_of)
    now = score(view, as_of, definition, measures)
    window = max(definition.hysteresis.window_days, definition.trend.days)
    yesterday = as_of.astimezone(facts.zone).date() - timedelta(days=1)
    ended = _days(yesterday - timedelta(days=window - 1), yesterday)
    known = [_at_end(view, day, definition, measures).value for day in ended]
    band = _band(now, known, definition)
    return Health(as_of, definition, now, band, trend(known, now.value, definition.trend))


def history(
    facts: AccountFacts, first: date, last: date, definition: Definition, measures: Sequence[Measure]
) -> tuple[Day, ...]:
    """Compute the score at the end of each day from `first` to `last`, both included."""
    window = definition.hysteresis.window_days
    start = first - timedelta(days=window - 1)
    scores = {day: _at_end(facts, day, definition, measures) for day in _days(start, last)}
    values = [each.value for each in scores.values()]
    found = []
    for place, day in enumerate(_days(first, last), start=window):
        now = scores[day]
        band = _band(now, values[place - window : place], definition)
        found.append(Day(day, now.value, band, now.coverage))
    return tuple(found)


def band_of(value: float, bands: Bands) -> Band:
    """Return the band a score lies in by itself."""
    return BANDS[sum(value >= border for border in (bands.at_risk, bands.watch, bands.healthy))]


def fold_band(values: Sequence[float | None], definition: Definition) -> Band | None:
    """Fold daily scores, oldest first, into a band; None where none of them is known.

    It starts in the first score's band and leaves it for the furthest band whose border two scores in a row have passed
    by the margin. A day without a score breaks the row.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    margin, bands = definition.hysteresis.margin, definition.bands
    place = BANDS.index(band_of(known[0], bands))
    for before, after in pairwise(values):
        if before is None or after is None:
            continue
        upward = BANDS.index(band_of(min(before, after) - margin, bands))
        downward = BANDS.index(band_of(max(before, after) + margin, bands))
        place = max(place, upward) if upward > place else min(place, downward)
    return BANDS[place]


def trend(values: Sequence[float | None], now: float | None, rule: TrendRule) -> str | None:
    """Return `up`, `down` or `flat` from daily scores, oldest first, the last `rule.days` of them.

    The slope is Theil and Sen's: the median of the slopes between all pairs of points (Sen 1968). It must make
    `rule.change` points over `rule.days` and have the same sign over the last `rule.confirm_days`.
    """
    points = [(place, value) for place, value in enumerate(values[-rule.days :]) if value is not None]
    if now is None or len(points) < LEAST_TREND_POINTS:
        return None
    slope = _slope(points)
    confirming = _slope([point for point in points if point[0] > points[-1][0] - rule.confirm_days])
    if abs(slope) * rule.days < rule.change or slope * confirming <= 0:
        return "flat"
    return "up" if slope > 0 else "down"


def _band(now: Score, midnights: Sequence[float | None], definition: Definition) -> Band:
    """Return the band: folded over the midnights, except that a gate speaks at once, since a fact is no noise."""
    if now.value is None:
        return UNKNOWN
    own = band_of(now.value, definition.bands)
    folded = fold_band(midnights[-definition.hysteresis.window_days :], definition) or own
    held_down = any(term.effect < 0 for term in now.gates)
    return min(own, folded, key=BANDS.index) if held_down else folded


def _slope(points: Sequence[tuple[int, float]]) -> float:
    return median([(b[1] - a[1]) / (b[0] - a[0]) for place, a in enumerate(points) for b in points[place + 1 :]])


def _at_end(facts: AccountFacts, day: date, definition: Definition, measures: Sequence[Measure]) -> Score:
    midnight = facts.midnight(day + timedelta(days=1))
    view = facts.at(midnight)
    if not (view.log or view.usage) and definition.coverage.least > 0:
        return Score(None, 0.0, (), (), ())  # nothing was known; of such midnights a new account has many
    return score(view, midnight, definition, measures)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=each) for each in range((last - first).days + 1))
