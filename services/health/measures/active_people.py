"""Active people against the account's own habit: depth and trend of use in one number."""

from datetime import datetime, timedelta

from services.health.facts import AccountFacts, median
from services.health.measure import Measure, Reading

CURRENT_WEEKS = 3
GAP_WEEKS = 1
BASE_WEEKS = 8
LEAST_BASE_WEEKS = 2
ALL_WEEKS = CURRENT_WEEKS + GAP_WEEKS + BASE_WEEKS


def read(facts: AccountFacts, as_of: datetime) -> Reading | None:
    """Return mean active people of the last 3 complete weeks over the median of the 8 weeks before a week of gap.

    Silent weeks count as 0; the base has no weeks from before the account's first usage, and needs two. Nobody in
    either is 0; somebody after a silent base is 1. None where the product was never used for long enough.
    """
    view = facts.at(as_of)
    if not view.usage:
        return None
    last = view.last_complete_week(as_of)
    weeks = min(ALL_WEEKS, (last - view.usage[0].day).days // 7 + 1)
    if weeks < CURRENT_WEEKS + GAP_WEEKS + LEAST_BASE_WEEKS:
        return None
    series = view.weekly_persons(as_of, weeks)
    current = sum(series[-CURRENT_WEEKS:]) / CURRENT_WEEKS
    base = median(series[: -CURRENT_WEEKS - GAP_WEEKS])
    value = current / base if base else float(current > 0)
    return Reading(value, view.usage_between(last - timedelta(weeks=weeks - 1), last + timedelta(days=6)))


PLUGIN = Measure(
    "active_people", "ratio", {"en": "Active people, against their own habit", "ja": "利用者数・自社の通常比"}, read
)
