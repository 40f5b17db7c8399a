"""Breadth of use: how many kinds of things the account does with the product."""

from datetime import datetime, timedelta

from services.health.facts import AccountFacts
from services.health.measure import Measure, Reading

DAYS = 28


def read(facts: AccountFacts, as_of: datetime) -> Reading | None:
    """Return the distinct kinds of usage in the last 28 days; None for an account that never used the product."""
    view = facts.at(as_of)
    if not view.usage:
        return None
    today = view.day_of(as_of)
    days = view.usage_between(today - timedelta(days=DAYS - 1), today)
    return Reading(float(len({kind for day in days for kind in day.events})), days)


PLUGIN = Measure("feature_breadth", "features", {"en": "Breadth of features in use", "ja": "利用機能の幅"}, read)
