"""Evaluation: what is told of a change, when an account is looked at again, and the portfolio that comes of it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from shared.events import AccountProfiled, ContactLeft, Event, Owner, OwnerAssigned, ScoreChanged, encode_event
from tests.integration.health.story import TODAY, a_life, steady_usage, told
from tests.plugins.health import HealthService


def scores(events: tuple[Event, ...]) -> list[ScoreChanged]:
    return [event.data for event in events if isinstance(event.data, ScoreChanged)]


async def test_a_change_is_told_once(health_service: HealthService) -> None:
    await health_service.learn(a_life())
    first = (await health_service.evaluate(TODAY, "acme"))[0]
    told_first = scores(first.emit)[0]
    assert told_first.previous_score is None
    shown = await health_service.ask("/v1/accounts/acme/health", as_of=TODAY.isoformat())
    assert (float(told_first.score or 0), told_first.band) == (shown["score"], shown["band"])
    assert [float(each.contribution or 0) for each in told_first.components] == [
        each["contribution"] for each in shown["components"]
    ]
    assert scores((await health_service.evaluate(TODAY, "acme"))[0].emit) == []
    await health_service.learn([told(ContactLeft(contact_id="p0", evidence="human"), TODAY)])
    changed = scores((await health_service.evaluate(TODAY + timedelta(minutes=1), "acme"))[0].emit)
    assert [(each.score, each.previous_score, each.gates) for each in changed] == [
        (Decimal(60), told_first.score, ["champion_left"])
    ]


async def test_what_is_told_can_be_sent(health_service: HealthService) -> None:
    await health_service.learn([*a_life(), told(ContactLeft(contact_id="p0", evidence="human"), TODAY)])
    emitted = (await health_service.evaluate(TODAY + timedelta(minutes=1), "acme"))[0].emit
    assert {event.type for event in emitted} >= {"kizuna.health.score_changed", "kizuna.signal.opened"}
    assert len({event.id for event in emitted}) == len(emitted)
    assert all(encode_event(event) for event in emitted)


async def test_it_looks_again_at_midnight_at_the_latest(health_service: HealthService) -> None:
    await health_service.learn(steady_usage())
    look = (await health_service.evaluate(TODAY, "acme"))[0].next_look
    assert look is not None
    assert TODAY < look <= TODAY.replace(hour=0) + timedelta(days=1)


async def test_an_account_of_which_nothing_is_known_is_left_alone(health_service: HealthService) -> None:
    assert await health_service.evaluate(TODAY, "nobody") == []


async def portfolio(health: HealthService, **params: Any) -> list[str]:
    found, cursor = [], None
    while True:
        listed = await health.ask("/v1/portfolio", limit=2, **params, **({"cursor": cursor} if cursor else {}))
        found += [item["account_id"] for item in listed["items"]]
        cursor = listed["next_cursor"]
        if cursor is None:
            return found


async def test_the_portfolio_lists_filters_and_sorts(health_service: HealthService) -> None:
    owner = Owner(id="csm-2", email="two@vendor.example")
    await health_service.learn(
        [
            *a_life(),
            *steady_usage(people=1, days=60, account="quiet"),
            *steady_usage(people=2, account="busy"),
            told(AccountProfiled(name="aa quiet", tier="low"), TODAY, "quiet"),
            told(OwnerAssigned(role="csm", person=owner), TODAY, "quiet"),
            told(AccountProfiled(name="Nothing else"), TODAY, "empty"),
        ]
    )
    await health_service.evaluate(TODAY, "acme", "quiet", "busy", "empty")
    items = {item["account_id"]: item for item in (await health_service.ask("/v1/portfolio"))["items"]}
    assert items["acme"]["name"] == "Acme"
    assert (items["acme"]["owner"], items["acme"]["owner_name"], items["acme"]["mrr"]) == ("csm-1", "Ko", "100.00")
    assert (items["empty"]["score"], items["empty"]["band"]) == (None, "unknown")
    assert items["quiet"]["score"] < items["busy"]["score"]
    by_score = sorted(("acme", "quiet", "busy"), key=lambda account: (items[account]["score"], account))
    assert await portfolio(health_service) == [*by_score, "empty"]
    assert (await portfolio(health_service, sort="-score"))[-1] == "empty"
    assert (await portfolio(health_service, sort="-mrr"))[0] == "acme"
    assert await portfolio(health_service, sort="name") == ["quiet", "acme", "busy", "empty"]
    assert await portfolio(health_service, owner="csm-2") == ["quiet"]
    assert await portfolio(health_service, owner="two@vendor.example") == ["quiet"]
    assert await portfolio(health_service, tier="high") == ["acme"]
    assert await portfolio(health_service, band="unknown") == ["empty"]


async def test_open_signals_stand_in_the_portfolio(health_service: HealthService) -> None:
    await health_service.learn([*a_life(), told(ContactLeft(contact_id="p0", evidence="human"), TODAY)])
    await health_service.evaluate(TODAY + timedelta(minutes=1), "acme")
    assert "champion_left" in (await health_service.ask("/v1/portfolio"))["items"][0]["signals"]
