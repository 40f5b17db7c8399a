"""Accounts folded from facts: what took effect last counts, whatever arrived last."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.directory import Dated, Facts, account
from services.health.facts import account_facts
from services.health.record import Fact, ProfilePatch, SubscriptionState
from shared.events import Event, OwnerAssigned, SubscriptionItem, SubscriptionSnapshot
from tests.unit.alerts.saying import HANAKO, JANE, START, subscription

NOW = START + timedelta(days=10)


def dated(days: int, value: Any, learned: int = 0, name: str = "e") -> Dated[Any]:
    return Dated(START + timedelta(days=days), START + timedelta(days=learned), name, value)


def snapshots(*events: Event) -> tuple[Dated[SubscriptionSnapshot], ...]:
    return tuple(
        Dated(e.time, e.recordedtime, e.id, e.data) for e in events if isinstance(e.data, SubscriptionSnapshot)
    )


def test_the_latest_owner_counts_and_nobody_clears() -> None:
    facts = Facts(
        owners=(
            dated(2, OwnerAssigned(role="csm", person=JANE), learned=3),
            dated(1, OwnerAssigned(role="csm", person=HANAKO), learned=9),
            dated(0, OwnerAssigned(role="manager", person=JANE)),
            dated(5, OwnerAssigned(role="manager", person=None)),
            dated(11, OwnerAssigned(role="csm", person=None)),
        )
    )
    assert account("acme", facts, NOW).owners == {"csm": JANE}


def test_patches_keep_what_they_do_not_name() -> None:
    facts = Facts(profiles=(dated(1, {"name": "Acme", "tier": "high"}), dated(2, {"tier": None})))
    found = account("acme", facts, NOW)
    assert (found.name, found.tier) == ("Acme", None)
    assert account("acme", Facts(), NOW).name == "acme"


def test_mrr_is_summed_per_currency_and_ended_subscriptions_bring_nothing() -> None:
    facts = Facts(
        subscriptions=snapshots(
            subscription("acme", "100.50"),
            subscription("acme", "10", subscription_id="s2"),
            subscription("acme", "5000", "JPY", subscription_id="s3"),
            subscription("acme", "77", "EUR", subscription_id="s4", status="ended"),
        )
    )
    found = account("acme", facts, NOW)
    assert found.mrr == {"USD": Decimal("110.50"), "JPY": Decimal(5000)}
    assert found.at_stake == Decimal(5000)


def test_mrr_is_rounded_once_it_is_summed() -> None:
    item = SubscriptionItem(item_id="i", product_id="p", quantity=Decimal(1), unit_amount=Decimal(400), interval="year")
    annual = snapshots(*(subscription("acme", "0", subscription_id=name, items=[item]) for name in "abc"))
    assert account("acme", Facts(subscriptions=annual), NOW).mrr == {"USD": Decimal(100)}


def test_an_account_that_pays_nothing_is_known_to_pay_nothing() -> None:
    ended = Facts(subscriptions=snapshots(subscription("acme", "77", "EUR", status="ended")))
    assert account("acme", ended, NOW).mrr == {"EUR": Decimal(0)}
    assert account("acme", Facts(), NOW).mrr == {}


def ending(*ends: date, **more: Any) -> tuple[Dated[SubscriptionSnapshot], ...]:
    return snapshots(*(subscription("acme", "1", subscription_id=str(end), term_end=end, **more) for end in ends))


def declared(day: str, subscriptions: tuple[Dated[SubscriptionSnapshot], ...] = ()) -> Facts:
    return Facts(profiles=(dated(1, {"renewal_on": day}),), subscriptions=subscriptions)


def test_the_renewal_is_the_next_end_of_a_term_or_else_declared() -> None:
    terms = ending(date(2026, 2, 1), date(2026, 8, 1), date(2026, 5, 1))
    assert account("acme", Facts(subscriptions=terms), NOW).renewal_on == date(2026, 5, 1)
    assert account("acme", declared("2026-04-01", terms), NOW).renewal_on == date(2026, 5, 1)
    assert account("acme", declared("2027-01-31"), NOW).renewal_on == date(2027, 1, 31)
    assert account("acme", declared("2027-01-31", terms[:1]), NOW).renewal_on == date(2027, 1, 31)


def test_a_renewal_that_is_over_is_none() -> None:
    assert account("acme", declared("2025-12-31"), NOW).renewal_on is None
    assert account("acme", declared("2025-12-31", ending(date(2026, 2, 1))), NOW).renewal_on is None


@pytest.mark.parametrize("status", ["paused", "trialing", "unpaid", "ended"])
def test_a_term_that_brings_nothing_is_not_renewed(status: str) -> None:
    terms = ending(date(2026, 4, 1), status=status)
    assert account("acme", Facts(subscriptions=terms), NOW).renewal_on is None
    assert account("acme", declared("2026-09-30", terms), NOW).renewal_on == date(2026, 9, 30)


def test_the_vendors_day_decides_what_lies_ahead() -> None:
    late = datetime(2026, 3, 12, 20, 0, tzinfo=UTC)  # in Tokyo it is the 13th
    facts = Facts(subscriptions=ending(date(2026, 3, 12), date(2026, 9, 12)))
    assert account("acme", facts, late).renewal_on == date(2026, 3, 12)
    assert account("acme", facts, late, ZoneInfo("Asia/Tokyo")).renewal_on == date(2026, 9, 12)
    midnight = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
    assert account("acme", facts, midnight, ZoneInfo("Asia/Tokyo")).renewal_on == date(2026, 3, 12)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["active", "past_due", "paused", "ended"])), max_size=4),
    st.none() | st.integers(-3, 3),
    st.integers(-30, 30),
)
def test_health_and_messages_speak_of_the_same_renewal(
    terms: list[tuple[int, str]], said: int | None, hours: int
) -> None:
    zone, now = ZoneInfo("Asia/Tokyo"), NOW + timedelta(hours=hours)
    day = {offset: NOW.date() + timedelta(days=offset) for offset in range(-3, 4)}
    at = START - timedelta(days=9)
    names: dict[str, Any] = {"effective": at, "recorded": at, "event_id": "e"}
    told = [
        subscription("acme", "1", subscription_id=f"s{number}", term_end=day[offset], status=status)
        for number, (offset, status) in enumerate(terms)
    ]
    log: list[Fact] = [
        SubscriptionState(
            **names | {"event_id": f"e{number}"},
            subscription_id=f"s{number}",
            status=status,
            mrr=Fraction(status in {"active", "past_due"}),
            currency="USD",
            term_end=day[offset],
        )
        for number, (offset, status) in enumerate(terms)
    ]
    profiles: tuple[Dated[Any], ...] = ()
    if said is not None:
        profiles = (Dated(at, at, "e", {"renewal_on": day[said].isoformat()}),)
        log.append(ProfilePatch(**names, changes={"renewal_on": day[said]}))
    health = account_facts("acme", zone, log)
    judged = health.renewal_on(now)
    over = judged is not None and judged < health.day_of(now)
    shown = account("acme", Facts(profiles=profiles, subscriptions=snapshots(*told)), now, zone).renewal_on
    assert shown == (None if over else judged)


@given(st.permutations([dated(n % 3, {"name": f"n{n}"}, n % 4, f"e{n}") for n in range(8)]))
def test_arrival_plays_no_part(patches: Sequence[Dated[Any]]) -> None:
    found = account("acme", Facts(profiles=tuple(patches)), NOW)
    assert found.name == f"n{max(range(8), key=lambda n: (n % 3, n % 4, f'e{n}'))}"
