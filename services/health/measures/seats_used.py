"""Seats used: people who work with the product against people who are paid for."""

from datetime import datetime, timedelta

from services.health.facts import AccountFacts, persons
from services.health.measure import Measure, Reading

DAYS = 28
RUNNING = frozenset({"trialing", "active", "past_due"})


def read(facts: AccountFacts, as_of: datetime) -> Reading | None:
    """Return distinct human users of the last 28 days per seat; None where no seats are known to be held.

    Seats of one product add up over subscriptions; between products the largest counts, since an add-on is bought for
    the same people again.
    """
    view = facts.at(as_of)
    states = tuple(state for state in view.subscriptions.values() if state.status in RUNNING)
    seats: dict[str, int] = {}
    for state in states:
        for product, quantity in state.seats.items():
            seats[product] = seats.get(product, 0) + quantity
    held = max(seats.values(), default=0)
    if held <= 0:
        return None
    today = view.day_of(as_of)
    days = view.usage_between(today - timedelta(days=DAYS - 1), today)
    return Reading(len(persons(days)) / held, (*states, *days))


PLUGIN = Measure("seats_used", "ratio", {"en": "Seats used", "ja": "ライセンス利用率"}, read)
