"""The fleet's ratio over a real database: judged once a day by one replica, and heeded by every account."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from services.health import fleet
from services.health.decline import DeclineRule
from services.health.rulebook import Rulebook
from services.health.signal_store import ALL, load_fleet
from shared.db import fetch
from shared.events import (
    AccountProfiled,
    Event,
    EventData,
    SubscriptionItem,
    SubscriptionSnapshot,
    UsageRecorded,
    type_of,
)
from tests.plugins.health import HealthService

NOW = datetime(2024, 11, 21, 12, tzinfo=UTC)
MONDAY = datetime(2024, 11, 11, 12, tzinfo=UTC)
RULE = msgspec.convert(Rulebook.read().standard.signals["usage_drop"], DeclineRule)
COUNTER = iter(range(10**6))


def event(account: str, data: EventData, at: datetime) -> Event:
    return Event(f"e{next(COUNTER)}", "test", type_of(data), account, at, at, data)


def usage(account: str, weeks: list[int]) -> Iterator[Event]:
    for back, people in enumerate(reversed(weeks)):
        for person in range(people):
            yield event(account, UsageRecorded(event="x", person_id=f"p{person}"), MONDAY - timedelta(weeks=back))


async def judge(service: HealthService, now: datetime) -> bool:
    return await fleet.judge_fleet(service.database, now, UTC, RULE)


async def known(service: HealthService, at: datetime) -> dict[str, float | None]:
    async with service.database.snapshot() as conn:
        ratios = await load_fleet(conn, MONDAY.date(), at)
    return {segment: weeks[MONDAY.date()] for segment, weeks in ratios.items()}


async def test_a_fall_of_all_alarms_nobody_and_is_known_from_when_it_was_judged(health_service: HealthService) -> None:
    for number in range(11):
        account = f"a{number}"
        segment = event(account, AccountProfiled(segment="smb"), NOW - timedelta(days=99))
        await health_service.learn([segment, *usage(account, [5] * 8 + [1] * 3)])
    assert await _open(health_service, NOW) == ["usage_drop"]
    assert await judge(health_service, NOW)
    assert await known(health_service, NOW) == {ALL: 0.2, "smb": 0.2}
    assert await known(health_service, NOW - timedelta(seconds=1)) == {}
    assert await _open(health_service, NOW + timedelta(seconds=1)) == []


async def test_it_is_judged_once_a_day_and_every_hour_while_there_are_too_few(health_service: HealthService) -> None:
    assert await judge(health_service, NOW)
    assert not await judge(health_service, NOW + timedelta(minutes=59))
    assert await judge(health_service, NOW + timedelta(minutes=61))
    assert await known(health_service, NOW + timedelta(minutes=61)) == {ALL: None}
    for number in range(10):
        await health_service.learn(usage(f"a{number}", [5] * 11))
    assert await judge(health_service, NOW + timedelta(hours=3))
    assert not await judge(health_service, NOW + timedelta(hours=11))
    assert await judge(health_service, NOW + timedelta(hours=13)), "another day"
    assert await known(health_service, NOW + timedelta(hours=13)) == {ALL: 1.0}


async def test_accounts_that_pay_nothing_any_more_do_not_pull_the_fleet_down(health_service: HealthService) -> None:
    item = SubscriptionItem(
        item_id="i", product_id="p", quantity=Decimal(1), unit_amount=Decimal(9), interval="month", interval_count=1
    )
    active = SubscriptionSnapshot(subscription_id="s", status="active", currency="USD", items=[item])
    ended = SubscriptionSnapshot(subscription_id="s", status="ended", currency="USD", items=[item])
    for account in (f"a{number}" for number in range(30)):
        gone = int(account[1:]) >= 10
        begun = event(account, active, NOW - timedelta(days=200))
        over = [event(account, ended, NOW - timedelta(days=20))] if gone else []
        await health_service.learn([begun, *over, *usage(account, [5] * 8 + [0 if gone else 5] * 3)])
    await judge(health_service, NOW)
    assert await known(health_service, NOW) == {ALL: 1.0}


@pytest.mark.parametrize("owns", [True, False])
async def test_only_the_owner_of_the_first_partition_judges_and_it_stops_when_told(
    health_service: HealthService, *, owns: bool
) -> None:
    stop = asyncio.Event()
    asked = asyncio.Event()

    def owns_first() -> bool:
        asked.set()
        return owns

    task = asyncio.create_task(fleet.run_fleet(stop, health_service.database, owns_first, UTC, RULE))
    await asyncio.wait_for(asked.wait(), 5)
    stop.set()
    await asyncio.wait_for(task, 5)
    async with health_service.database.snapshot() as conn:
        rows = await fetch(conn, "select segment, accounts from fleet_ratio")
    assert [tuple(row) for row in rows] == ([(ALL, 0)] if owns else [])


async def _open(service: HealthService, now: datetime) -> list[str]:
    await service.evaluate(now, "a0")
    items = (await service.ask("/v1/portfolio"))["items"]
    return [name for item in items if item["account_id"] == "a0" for name in item["signals"] if name == "usage_drop"]
