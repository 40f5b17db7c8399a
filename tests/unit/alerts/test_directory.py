"""Accounts folded from facts: what took effect last counts, whatever arrived last."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.directory import Dated, Facts, account
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


def test_the_renewal_is_declared_or_the_next_end_of_a_term() -> None:
    ends = (date(2026, 2, 1), date(2026, 8, 1), date(2026, 5, 1))
    subscriptions = snapshots(*(subscription("acme", "1", subscription_id=str(end), term_end=end) for end in ends))
    assert account("acme", Facts(subscriptions=subscriptions), NOW).renewal_on == date(2026, 5, 1)
    declared = Facts(profiles=(dated(1, {"renewal_on": "2027-01-31"}),), subscriptions=subscriptions)
    assert account("acme", declared, NOW).renewal_on == date(2027, 1, 31)


@given(st.permutations([dated(n % 3, {"name": f"n{n}"}, n % 4, f"e{n}") for n in range(8)]))
def test_arrival_plays_no_part(patches: Sequence[Dated[Any]]) -> None:
    found = account("acme", Facts(profiles=tuple(patches)), NOW)
    assert found.name == f"n{max(range(8), key=lambda n: (n % 3, n % 4, f'e{n}'))}"
