"""Signals over a real database: opened, updated and cleared by what is learned, told once, never by history alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.health.episode import SETTLE
from services.health.signal_store import load_episodes, open_signals
from shared.db import execute
from shared.events import (
    ContactLeft,
    ContactUpserted,
    Event,
    EventData,
    SignalCleared,
    SignalOpened,
    SignalUpdated,
    SubscriptionItem,
    SubscriptionSnapshot,
    UsageRecorded,
    type_of,
)
from tests.plugins.health import HealthService

NOW = datetime(2024, 11, 21, 12, tzinfo=UTC)  # a Thursday
MONDAY = datetime(2024, 11, 11, 12, tzinfo=UTC)  # in the last complete week
PERSON_MONTHS = [10] * 10 + [4, 4, 4]
COUNTER = iter(range(10**6))


def event(data: EventData, at: datetime, *, learned: datetime | None = None, backfill: bool = False) -> Event:
    return Event(f"e{next(COUNTER)}", "test", type_of(data), "acme", at, learned or at, data, backfill=backfill)


def champion(at: datetime, **changes: Any) -> Event:
    return event(ContactUpserted(contact_id="ana", name="Ana", roles=["champion"], **changes), at)


def usage(weeks: list[int], *, learned: datetime | None = None) -> Iterator[Event]:
    """Marked history when it says when it was learned, else live; the last number belongs to the last week."""
    for back, people in enumerate(reversed(weeks)):
        at = MONDAY - timedelta(weeks=back)
        for person in range(people):
            data = UsageRecorded(event="opened", person_id=f"p{person}")
            yield event(data, at, learned=learned or at, backfill=learned is not None)


def snapshot(at: datetime, **marks: Any) -> Event:
    item = SubscriptionItem(
        item_id="i", product_id="p", quantity=Decimal(1), unit_amount=Decimal(100), interval="month", interval_count=1
    )
    data = SubscriptionSnapshot(subscription_id="s", status="active", currency="USD", items=[item])
    return event(data, at, **marks)


async def told(service: HealthService, now: datetime) -> list[SignalOpened | SignalUpdated | SignalCleared]:
    (evaluated,) = await service.evaluate(now, "acme")
    said = [each.data for each in evaluated.emit]
    return [each for each in said if isinstance(each, SignalOpened | SignalUpdated | SignalCleared)]


async def test_a_champion_who_leaves_is_told_once_raised_with_the_redundancy_and_cleared_by_coming_back(
    health_service: HealthService,
) -> None:
    await health_service.learn([champion(NOW - timedelta(days=9))])
    assert await told(health_service, NOW) == []
    left = event(ContactLeft(contact_id="ana", evidence="human", note="She told me."), NOW)
    await health_service.learn([left])
    (opened,) = await told(health_service, NOW + timedelta(seconds=1))
    assert isinstance(opened, SignalOpened)
    assert (opened.signal, opened.subject_id, opened.severity, opened.since) == (
        "champion_left",
        "ana",
        "critical",
        NOW,
    )
    assert (opened.historical, opened.late, opened.evidence[0].event_ids) == (False, False, [left.id])
    assert await told(health_service, NOW + timedelta(minutes=1)) == []

    await health_service.learn([event(ContactUpserted(contact_id="ben", roles=["executive"]), NOW)])
    (updated,) = await told(health_service, NOW + timedelta(minutes=2))
    assert isinstance(updated, SignalUpdated)
    assert (updated.episode, updated.severity) == (opened.episode, "high")

    await health_service.learn([champion(NOW + timedelta(hours=1), active=True)])
    (cleared,) = await told(health_service, NOW + timedelta(hours=2))
    assert isinstance(cleared, SignalCleared)
    assert (cleared.episode, cleared.reason) == (opened.episode, "no longer holds")
    async with health_service.database.snapshot() as conn:
        assert await open_signals(conn, ["acme"]) == {}
        ((account, episodes),) = (await load_episodes(conn, ["acme"])).items()
    assert (account, [each.sequence for each in episodes]) == ("acme", [3])


async def test_what_holds_is_answered_as_of_any_time_and_as_known_at_any_time(health_service: HealthService) -> None:
    await health_service.learn([champion(NOW - timedelta(days=9))])
    learned = NOW + timedelta(days=3)
    await health_service.learn([event(ContactLeft(contact_id="ana", evidence="human"), NOW, learned=learned)])

    async def names(as_of: datetime, known_at: datetime) -> list[str]:
        times = {"as_of": as_of.isoformat(), "known_at": known_at.isoformat()}
        body = await health_service.ask("/v1/accounts/acme/signals", **times)
        return [each["signal"] for each in body["items"]]

    assert await names(NOW - timedelta(hours=1), learned) == []
    assert await names(NOW, learned) == ["champion_left"]
    assert await names(NOW, learned - timedelta(seconds=1)) == []
    (item,) = (await health_service.ask("/v1/accounts/acme/signals", as_of=NOW.isoformat()))["items"]
    assert item["late"]
    assert item["title"]["ja"]
    assert item["evidence"][0]["event_ids"]


async def test_history_is_silent_until_it_is_whole_and_a_live_fact_follows(health_service: HealthService) -> None:
    imported = NOW - timedelta(hours=1)
    history = [
        snapshot(NOW - timedelta(days=20), learned=imported, backfill=True),
        *usage(PERSON_MONTHS, learned=imported),
    ]
    await health_service.learn(history)
    assert await told(health_service, imported + SETTLE / 2) == [], "more may be on its way"
    (opened,) = await told(health_service, imported + SETTLE)
    assert isinstance(opened, SignalOpened)
    assert (opened.signal, opened.historical, opened.since) == (
        "usage_drop",
        True,
        datetime(2024, 10, 28, tzinfo=UTC),
    )
    assert await told(health_service, imported + timedelta(minutes=5)) == []

    await health_service.learn([champion(NOW)])
    (woken,) = await told(health_service, NOW + timedelta(seconds=1))
    assert isinstance(woken, SignalUpdated)
    assert (woken.historical, woken.episode) == (False, opened.episode)

    await health_service.learn([snapshot(NOW - timedelta(days=2), learned=NOW + timedelta(hours=1), backfill=True)])
    assert await told(health_service, NOW + timedelta(hours=2)) == [], "what was told as news stays news"


async def test_in_the_middle_of_an_import_only_a_live_report_speaks(health_service: HealthService) -> None:
    await health_service.learn([*usage(PERSON_MONTHS, learned=NOW), champion(NOW - timedelta(days=9))])
    await health_service.learn([event(ContactLeft(contact_id="ana", evidence="human"), NOW)])
    (evaluated,) = await health_service.evaluate(NOW + timedelta(seconds=1), "acme")
    said = [each.data for each in evaluated.emit if isinstance(each.data, SignalOpened)]
    assert [(each.signal, each.historical) for each in said] == [("champion_left", False)]
    assert evaluated.next_look is not None
    assert evaluated.next_look <= NOW + 2 * SETTLE


async def test_history_waits_for_the_partition_to_be_read_through(health_service: HealthService) -> None:
    imported = NOW - timedelta(hours=1)
    billed = snapshot(NOW - timedelta(days=20), learned=imported, backfill=True)
    await health_service.learn([billed, *usage(PERSON_MONTHS, learned=imported)])
    await _read_through(health_service, imported)
    assert await told(health_service, NOW) == []
    await _read_through(health_service, imported + timedelta(minutes=1))
    (opened,) = await told(health_service, NOW)
    assert opened.rests_on is not None
    assert (opened.rests_on.cluster, opened.rests_on.positions) == ("c1", {"customer.v1": 7})


async def test_a_signal_reaches_the_portfolio_with_silence_alone(health_service: HealthService) -> None:
    await health_service.learn([snapshot(NOW - timedelta(days=20)), *usage([10] * 12)])
    later = NOW + timedelta(weeks=1)
    assert [each.signal for each in await told(health_service, NOW)] == []
    (opened,) = await told(health_service, later)
    assert (opened.signal, opened.severity, opened.facts["kind"]) == ("usage_drop", "high", "cliff")
    (row,) = (await health_service.ask("/v1/portfolio"))["items"]
    assert row["signals"] == ["usage_drop"]


@pytest.mark.parametrize("order", [1, -1])
async def test_the_episode_is_the_same_in_whatever_order_it_is_learned(
    health_service: HealthService, order: int
) -> None:
    facts = [champion(NOW - timedelta(days=9)), event(ContactLeft(contact_id="ana", evidence="human"), NOW)]
    for fact in facts[::order]:
        await health_service.learn([fact])
        said = await told(health_service, NOW)
    assert [each.episode for each in said] == ["117a7ae5ed91ca66d7f94354aaf86750"]


async def _read_through(service: HealthService, moment: datetime) -> None:
    async with service.database.transaction() as conn:
        await execute(
            conn,
            """insert into position (topic, partition, cluster, next_offset, absorbed_through)
               values ('customer.v1', 0, 'c1', 7, $1), ('backfill.v1', 0, 'c1', 9, $1)
               on conflict (topic, partition) do update set absorbed_through = excluded.absorbed_through""",
            moment,
        )
