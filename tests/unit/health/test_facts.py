"""Facts as values: folded by when they happened, restricted to what had happened, whatever the order they came in."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.facts import account_facts, median, persons
from services.health.people import same_persons
from services.health.record import (
    ContactPatch,
    LeftReport,
    Payment,
    ProfilePatch,
    SubscriptionState,
    TicketClosed,
    TicketOpened,
    UsageDay,
)
from tests.unit.health.histories import AS_OF, History, histories

DAY = timedelta(days=1)
NEW_YORK, TOKYO = ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")


def stamp(days: float, key: str, late: float = 0) -> dict[str, Any]:
    moment = AS_OF - timedelta(days=days)
    return {"effective": moment, "recorded": moment + timedelta(days=late), "event_id": key}


@settings(max_examples=50, deadline=None)
@given(histories(), st.integers(0, 9), st.integers(-10, 100))
def test_the_past_does_not_depend_on_order_or_on_what_came_later(given: History, seed: int, days: int) -> None:
    moment = AS_OF - timedelta(days=days)
    log = [fact for fact in given.log if fact.effective <= moment]
    random.Random(seed).shuffle(log)
    then = given.facts().at(moment)
    cut = account_facts("acme", UTC, log * 2, [day for day in given.usage if day.day <= moment.date()])
    assert (cut.log, cut.usage) == (then.log, then.usage)
    for state in ("profile", "owners", "contacts", "tickets", "objectives", "subscriptions", "failed_payments"):
        assert getattr(then, state) == getattr(cut, state)


def test_patches_are_folded_by_when_they_hold_not_by_when_they_came() -> None:
    early = ProfilePatch(
        changes={"name": "Early", "tier": "low", "attributes": {"a": 1, "b": 2}}, **stamp(10, "1", late=9)
    )
    late = ProfilePatch(changes={"name": "Late", "tier": None, "attributes": {"a": None}}, **stamp(5, "2"))
    facts = account_facts("acme", UTC, [late, early])
    assert facts.profile == {"name": "Late", "attributes": {"b": 2}}
    assert facts.at(AS_OF - 6 * DAY).profile["name"] == "Early"


def test_of_two_at_the_same_time_the_later_learned_then_the_greater_id_counts() -> None:
    one = ProfilePatch(changes={"name": "first"}, **stamp(5, "z"))
    two = ProfilePatch(changes={"name": "learned later"}, **stamp(5, "a", late=1))
    three = ProfilePatch(changes={"name": "greater"}, **stamp(5, "b", late=1))
    assert account_facts("acme", UTC, [three, two, one]).profile["name"] == "greater"


def test_who_left_is_back_when_somebody_says_so() -> None:
    named = ContactPatch(contact_id="c", person=1, changes={"name": "Mia", "roles": ["champion"]}, **stamp(30, "1"))
    left = LeftReport(contact_id="c", person=1, evidence="human", **stamp(20, "2"))
    demoted = ContactPatch(contact_id="c", person=1, changes={"roles": []}, **stamp(15, "3"))
    back = ContactPatch(contact_id="c", person=1, changes={"active": True}, **stamp(10, "4"))
    facts = account_facts("acme", UTC, [back, demoted, left, named])
    then = facts.at(AS_OF - 12 * DAY).contacts["c"]
    assert (then.left, then.left_roles, then.roles, then.name) == (left, ("champion",), (), "Mia")
    assert facts.contacts["c"].left is None


def test_a_ticket_waits_until_it_is_closed_and_again_when_reopened() -> None:
    first = TicketOpened(ticket_id="t", severity="low", **stamp(9, "1"))
    closed = TicketClosed(ticket_id="t", **stamp(8, "2"))
    again = TicketOpened(ticket_id="t", severity="high", **stamp(7, "3"))
    facts = account_facts("acme", UTC, [again, closed, first, TicketClosed(ticket_id="?", **stamp(1, "4"))])
    assert [(ticket.opened, ticket.closed) for ticket in facts.tickets] == [(again, None)]
    assert facts.at(AS_OF - 8 * DAY).tickets[0].closed == closed


def test_a_failed_payment_stands_until_it_is_paid() -> None:
    common: dict[str, Any] = {"invoice_id": "i", "subscription_id": None, "amount": Decimal(5), "currency": "EUR"}
    failed = Payment(paid=False, **common, **stamp(5, "1"))
    paid = Payment(paid=True, **common, **stamp(3, "2"))
    facts = account_facts("acme", UTC, [paid, failed])
    assert facts.failed_payments == ()
    assert facts.at(AS_OF - 4 * DAY).failed_payments == (failed,)


def test_revenue_by_currency_and_the_next_renewal() -> None:
    def state(days: float, key: str, mrr: int, currency: str = "EUR", **more: Any) -> SubscriptionState:
        return SubscriptionState(
            subscription_id=key,
            status="active",
            mrr=Fraction(mrr),
            currency=currency,
            **more,
            **stamp(days, f"{key}{days}"),
        )

    end = (AS_OF + 40 * DAY).date()
    facts = account_facts("acme", UTC, [state(9, "a", 10), state(5, "a", 30, term_end=end), state(9, "b", 7, "USD")])
    assert facts.mrr(AS_OF) == {"EUR": 30, "USD": 7}
    assert facts.arr(AS_OF - 6 * DAY) == {"EUR": 120, "USD": 84}
    assert facts.renewal_on(AS_OF) == end
    assert facts.is_customer(AS_OF)
    assert account_facts("acme", UTC).is_customer(AS_OF)
    assert not account_facts("acme", UTC, [state(9, "a", 0)]).is_customer(AS_OF)


def day(on: date, *people: int) -> UsageDay:
    return UsageDay(on, people, Decimal(len(people)), {"login": len(people)}, 0, len(people), AS_OF, None)


def test_weeks_are_complete_and_silent_ones_are_zero() -> None:
    monday = date(2026, 5, 11)  # the week of AS_OF: not over yet
    usage = [day(monday, 9), day(monday - 1 * DAY, 1, 2), day(monday - 7 * DAY, 2, 3), day(monday - 21 * DAY, 4)]
    facts = account_facts("acme", UTC, [], usage)
    assert facts.weekly_persons(AS_OF, 4) == (0, 1, 0, 3)
    assert facts.weekly_calls(AS_OF, 3) == (1, 0, 4)
    assert facts.weekly_persons(datetime(2026, 5, 18, tzinfo=UTC), 2) == (3, 1)
    assert facts.last_seen([2, 3, 77]) == {2: monday - DAY, 3: monday - 7 * DAY}


@given(
    st.integers(0, 10 * 365 * 24 * 60).map(
        lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    )
)
def test_a_week_that_is_complete_has_ended(moment: datetime) -> None:
    for zone in (UTC, NEW_YORK, TOKYO):
        facts = account_facts("acme", zone)
        monday = facts.last_complete_week(moment)
        assert monday.weekday() == 0
        assert facts.midnight(monday + 7 * DAY) <= moment < facts.midnight(monday + 14 * DAY)
        assert facts.midnight(facts.day_of(moment)) < moment <= facts.midnight(facts.day_of(moment) + DAY)


def test_midnight_belongs_to_the_day_before() -> None:
    facts = account_facts("acme", TOKYO)
    midnight = datetime(2026, 5, 12, 15, tzinfo=UTC)
    assert facts.midnight(date(2026, 5, 13)) == midnight
    assert facts.day_of(midnight) == date(2026, 5, 12)
    assert facts.day_of(midnight + timedelta(microseconds=1)) == date(2026, 5, 13)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20))), st.randoms())
def test_same_persons_do_not_depend_on_order(pairs: list[tuple[int, int]], chance: random.Random) -> None:
    found = same_persons(pairs)
    shuffled = [(b, a) for a, b in pairs] + pairs
    chance.shuffle(shuffled)
    assert same_persons(shuffled) == found
    assert all(found[a] == found[b] <= min(a, b) for a, b in pairs)
    assert all(found[number] == number for number in found.values())


@given(st.lists(st.integers(-100, 100), min_size=1))
def test_the_median_has_as_many_above_as_below(values: list[int]) -> None:
    middle = median(values)
    assert sum(value < middle for value in values) <= len(values) / 2
    assert sum(value > middle for value in values) <= len(values) / 2


def test_of_nothing_there_is_nothing() -> None:
    assert (median([]), persons([])) == (0, frozenset())
    assert account_facts("acme", UTC).first_seen is None
