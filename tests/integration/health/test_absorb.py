"""Facts go in, and out again as values: whatever the order and the batches, and as they were known at any time."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.health import store, usage_store
from services.health.facts import AccountFacts
from shared.absorb import Received, Urgency
from shared.db import execute, fetch
from shared.events import AccountProfiled, ContactLeft, ContactUpserted, Event, PersonAliased, SubscriptionSnapshot
from tests.integration.health.story import START, TODAY, a_life, steady_usage, told, used
from tests.plugins.health import HealthService

FACTS = "fact, personal, person, usage_delta, usage_day"


async def known(health: HealthService, account: str = "acme", known_at: datetime | None = None) -> AccountFacts:
    async with health.database.snapshot() as conn:
        loaded = await store.load(conn, [account], UTC, START.date() - timedelta(days=50), known_at)
    return loaded[account]


async def learn_in(health: HealthService, events: Sequence[Event], size: int) -> None:
    for start in range(0, len(events), size):
        await health.learn(events[start : start + size])


async def test_what_was_told_is_known(health_service: HealthService) -> None:
    await health_service.learn(a_life())
    facts = await known(health_service)
    assert facts.profile == {"name": "Acme", "tier": "high", "attributes": {"plan": "pro"}}
    assert facts.owners["csm"]["email"] == "ko@vendor.example"
    assert facts.mrr(TODAY) == {"EUR": Decimal(100)}
    assert facts.contacts["p0"].email == "mia@acme.example"
    assert facts.contacts["p0"].person in facts.usage[0].persons
    assert [(ticket.opened.severity, ticket.closed is not None) for ticket in facts.tickets] == [("high", True)]
    assert facts.objectives[0].measurements[0].value == 5
    assert facts.surveys[0].high == 10
    assert sum(day.quantity for day in facts.usage) == len(steady_usage())
    assert facts.last_backfill_at == TODAY
    assert facts.last_live_at == TODAY - timedelta(days=3)


@pytest.mark.parametrize(("seed", "size"), [(1, 1000), (2, 97), (3, 13)])
async def test_order_and_batches_change_nothing(health_service: HealthService, seed: int, size: int) -> None:
    events = a_life()
    await health_service.learn(events)
    before, hashed = await known(health_service), await health_service.fingerprint()
    async with health_service.database.transaction() as conn:
        await execute(conn, f"truncate {FACTS}")
    random.Random(seed).shuffle(events)
    await learn_in(health_service, events, size)
    after = await known(health_service)
    assert await health_service.fingerprint() == hashed
    numbers = [day.persons for day in before.usage], [day.persons for day in after.usage]
    assert [len(persons) for persons in numbers[0]] == [len(persons) for persons in numbers[1]]
    assert [(d.day, d.events, d.quantity, d.calls) for d in before.usage] == [
        (d.day, d.events, d.quantity, d.calls) for d in after.usage
    ]
    assert [fact.order for fact in after.log] == [fact.order for fact in before.log]


async def test_another_fact_is_another_fingerprint(health_service: HealthService) -> None:
    await health_service.learn(a_life())
    hashes = {await health_service.fingerprint()}
    for more in (used(TODAY, "p0"), used(TODAY, "p0", actor="api"), told(AccountProfiled(industry="steel"), TODAY)):
        await health_service.learn([more])
        hashes.add(await health_service.fingerprint())
    assert len(hashes) == 4


async def test_a_day_is_what_its_deltas_add_up_to(health_service: HealthService) -> None:
    await learn_in(health_service, steady_usage(days=20), 31)
    await health_service.learn([used(TODAY, "p9", outcome="error", quantity=Decimal("2.5"), actor="agent")])
    day, since = TODAY + timedelta(days=1), START.date()
    async with health_service.database.snapshot() as conn:
        live = await usage_store.days(conn, ["acme"], since, None)
        again = await usage_store._days_as_known(conn, ["acme"], since, day)
    assert {place: tally for (_, place), tally in again.items()} == dict(live["acme"])
    last = live["acme"][-1][1]
    assert (last.persons, last.errors, last.quantity, last.calls) == (set(), 1, Decimal("2.5"), 1)


async def test_what_was_known_stays_known(health_service: HealthService) -> None:
    first, second = TODAY, TODAY + timedelta(hours=1)
    await health_service.learn([used(TODAY, "p1"), told(AccountProfiled(name="Old"), START, recorded=first)])
    before = await known(health_service, known_at=first)
    late = START + timedelta(days=1)
    await health_service.learn(
        [
            used(TODAY, "p2", recorded=second),
            used(TODAY, "p1", recorded=second),
            told(AccountProfiled(name="New"), late, recorded=second),
            told(PersonAliased(person_id="p1", previous_id="p2"), TODAY, recorded=second),
        ]
    )
    assert await known(health_service, known_at=first) == before
    after = await known(health_service)
    assert (after.profile["name"], after.usage[0].calls, len(after.usage[0].persons)) == ("New", 3, 1)


async def test_an_account_is_due_as_soon_as_its_gravest_fact_says(health_service: HealthService) -> None:
    ended = SubscriptionSnapshot(subscription_id="s", status="ended", currency="EUR", items=[])
    due = await health_service.learn(
        [
            used(TODAY, "p"),
            told(ContactLeft(contact_id="p", evidence="human"), TODAY),
            used(TODAY, "p", account="calm"),
            used(START, "p", account="old", backfill=True),
            told(ended, TODAY, account="ending"),
        ]
    )
    found = {each.account_id: each.urgency for each in due}
    assert found == {"acme": Urgency.GRAVE, "calm": Urgency.USAGE, "old": Urgency.HISTORY, "ending": Urgency.GRAVE}


async def test_live_usage_that_is_too_old_is_refused(health_service: HealthService) -> None:
    def refused(event: Event) -> Any:
        return health_service.service.absorber.refuse(Received(event, "usage.v1", 0, 0))

    old = TODAY - timedelta(days=31)
    assert refused(used(old, "p", recorded=TODAY)).code == "too_old"
    assert refused(used(old, "p", recorded=TODAY, backfill=True)) is None
    assert refused(used(TODAY - timedelta(days=29), "p", recorded=TODAY)) is None
    assert refused(told(ContactLeft(contact_id="p", evidence="human"), old, recorded=TODAY)) is None


async def test_a_person_can_be_erased(health_service: HealthService) -> None:
    """Names, addresses and the vendor's ids stand in two tables; without their rows all numbers still add up."""
    await health_service.learn(a_life())
    before = await known(health_service)
    async with health_service.database.transaction() as conn:
        number = before.contacts["p0"].person
        await execute(conn, "delete from personal where person = $1", number)
        await execute(conn, "delete from person where number = $1", number)
        kept = await fetch(conn, "select string_agg(data::text, ' ') as data from fact where account_id = 'acme'")
    assert not any(trace in kept[0].data for trace in ("mia", "Mia", "p0", "fine"))
    after = await known(health_service)
    assert after.usage == before.usage
    contact = after.contacts[f"#{number}"]
    assert (contact.name, contact.email, contact.roles) == (None, None, ("champion",))


async def test_a_fact_told_again_after_the_inbox_forgot_it_counts_once(health_service: HealthService) -> None:
    event = told(ContactUpserted(contact_id="c", name="A"), START)
    await health_service.learn([event])
    await health_service.learn([event])
    assert len((await known(health_service)).log) == 1


async def test_usage_of_many_months_finds_its_partitions(health_service: HealthService) -> None:
    moments = [TODAY - timedelta(days=30 * month) for month in range(30)]
    await health_service.learn([used(at, "p", recorded=TODAY, backfill=True) for at in moments])
    counted = await health_service.ask("/v1/accounts/acme/usage")
    assert counted["total"] == 30
    assert [item["day"] for item in counted["items"]] == [str(at.date()) for at in reversed(moments)]
