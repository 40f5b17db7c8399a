"""Health over HTTP: the score at any time with what it rests on, the course, usage, and who may see it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from services.health.definitions import DEFAULT
from shared.db import execute
from shared.events import ContactLeft, ContactUpserted, InvoicePaid, InvoicePaymentFailed, PersonAliased
from tests.integration.health.story import TODAY, a_life, steady_usage, told, used
from tests.plugins.health import HealthService

HEALTH = "/v1/accounts/acme/health"


def at(moment: Any) -> str:
    return str(moment.isoformat())


async def test_health_explains_itself(health_service: HealthService) -> None:
    await health_service.learn(a_life())
    found = await health_service.ask(HEALTH, as_of=at(TODAY))
    assert (found["account_id"], found["definition"], found["confidence"]) == ("acme", DEFAULT, "sure")
    assert found["coverage"] > 0.9
    assert {each["measure"] for each in found["components"]} == {
        *("active_people", "feature_breadth", "seats_used", "support_burden", "sentiment", "objective_progress")
    }
    total = sum(each["weight"] for each in found["components"])
    for each in found["components"]:
        assert each["contribution"] == pytest.approx(each["weight"] / total * (each["points"] - 50), abs=0.001)
        assert each["lever"] == pytest.approx(each["weight"] / total * (100 - each["points"]), abs=0.001)
        assert each["facts"] > 0
    effects = sum(gate["effect"] for gate in found["gates"])
    assert found["score"] == pytest.approx(50 + sum(e["contribution"] for e in found["components"]) + effects, abs=0.06)
    levers = {each["measure"]: each["lever"] for each in found["components"]}
    assert found["biggest_lever"] == max(levers, key=lambda name: levers[name])
    assert "provisional" not in found


async def test_what_was_known_before_is_answered_to_the_byte(health_service: HealthService) -> None:
    await health_service.learn([each for each in a_life() if not isinstance(each.data, PersonAliased)])
    then, later = TODAY, TODAY + timedelta(minutes=5)
    asked = {"as_of": at(then), "known_at": at(then)}
    before = (await health_service.client.get(HEALTH, params=asked)).content
    await health_service.learn(
        [
            told(ContactLeft(contact_id="p0", evidence="human"), then - timedelta(days=1), recorded=later),
            told(PersonAliased(person_id="p1", previous_id="p0"), then, recorded=later),
            *[used(then - timedelta(days=day), "p8", recorded=later) for day in range(9)],
        ]
    )
    assert (await health_service.client.get(HEALTH, params=asked)).content == before
    now = await health_service.ask(HEALTH, as_of=at(then), known_at=at(later))
    assert now["gates"][0]["gate"] == "champion_left"
    assert now["score"] == 60.0


async def test_a_gate_is_a_term_of_its_own_and_opens_again(health_service: HealthService) -> None:
    await health_service.learn(a_life())
    free = await health_service.ask(HEALTH, as_of=at(TODAY))
    failed = InvoicePaymentFailed(invoice_id="i", amount=Decimal(100), currency="EUR")
    await health_service.learn([told(failed, TODAY - timedelta(hours=1))])
    capped = await health_service.ask(HEALTH, as_of=at(TODAY))
    assert capped["components"] == free["components"]
    assert capped["score"] == 62.0
    gate = capped["gates"][0]
    assert (gate["gate"], gate["cap"], gate["facts"]) == ("payment_failed", 62, 1)
    assert gate["effect"] == pytest.approx(62 - free["score"], abs=0.06)
    await health_service.learn([told(InvoicePaid(invoice_id="i", amount=Decimal(100), currency="EUR"), TODAY)])
    assert await health_service.ask(HEALTH, as_of=at(TODAY)) | {"known_at": 0} == free | {"known_at": 0}


async def test_a_champion_who_is_replaced_caps_nothing(health_service: HealthService) -> None:
    await health_service.learn([*a_life(), told(ContactLeft(contact_id="p0", evidence="human"), TODAY)])
    assert (await health_service.ask(HEALTH, as_of=at(TODAY)))["score"] == 60.0
    await health_service.learn(
        [told(ContactUpserted(contact_id="new", roles=["champion"]), TODAY + timedelta(hours=1))]
    )
    assert (await health_service.ask(HEALTH, as_of=at(TODAY + timedelta(hours=2))))["gates"] == []


async def test_too_little_known_is_no_score(health_service: HealthService) -> None:
    await health_service.learn([told(ContactUpserted(contact_id="c"), TODAY)])
    found = await health_service.ask(HEALTH)
    assert (found["score"], found["band"], found["coverage"], found["confidence"]) == (None, "unknown", 0, "none")
    assert len(found["missing"]) == 6


async def test_history_is_what_health_was(health_service: HealthService) -> None:
    await health_service.learn(a_life())
    first, last = (TODAY - timedelta(days=10)).date(), (TODAY - timedelta(days=1)).date()
    told_days = (await health_service.ask(f"{HEALTH}/history", **{"from": first, "to": last}))["items"]
    assert [each["day"] for each in told_days] == [str(first + timedelta(days=day)) for day in range(10)]
    for each in told_days[::4]:
        midnight = f"{(first + timedelta(days=1 + told_days.index(each))).isoformat()}T00:00:00Z"
        found = await health_service.ask(HEALTH, as_of=midnight)
        assert {name: found[name] for name in ("score", "band", "coverage")} | {"day": each["day"]} == each


async def test_facts_name_events_and_days(health_service: HealthService) -> None:
    await health_service.learn(a_life())
    asked = {"as_of": at(TODAY), "measure": "sentiment"}
    items = (await health_service.ask(f"{HEALTH}/facts", **asked))["items"]
    assert [(each["says"], each["event_id"].split("-")[0]) for each in items] == [("Survey", "SurveyResponded")]
    component = next(
        each
        for each in (await health_service.ask(HEALTH, as_of=at(TODAY)))["components"]
        if each["measure"] == "active_people"
    )
    found, cursor = [], None
    while True:
        asked = {"as_of": at(TODAY), "measure": "active_people", "limit": "7"} | ({"cursor": cursor} if cursor else {})
        listed = await health_service.ask(f"{HEALTH}/facts", **asked)
        found += [each["day"] for each in listed["items"]]
        cursor = listed["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == component["facts"]


async def test_usage_is_counted_exactly(health_service: HealthService) -> None:
    day = TODAY.date().isoformat()
    await health_service.learn(
        [
            *[used(TODAY + timedelta(seconds=n), f"p{n % 3}", "login") for n in range(30)],
            used(TODAY, "bot", "login", actor="api", outcome="error", quantity=Decimal("1.5")),
            told(PersonAliased(person_id="p0", previous_id="p1"), TODAY),
        ]
    )
    found = await health_service.ask("/v1/accounts/acme/usage", **{"from": day, "to": day})
    assert found["total"] == 31.5
    assert found["items"] == [
        {"day": day, "event": "login", "actor": "api", "persons": 1, "quantity": 1.5, "calls": 1, "errors": 1},
        {"day": day, "event": "login", "actor": "human", "persons": 2, "quantity": 30, "calls": 30, "errors": 0},
    ]
    earlier = await health_service.ask("/v1/accounts/acme/usage", known_at=at(TODAY + timedelta(seconds=9)))
    assert earlier["total"] == 11.5
    pages = await health_service.ask("/v1/accounts/acme/usage", limit=1)
    rest = await health_service.ask("/v1/accounts/acme/usage", limit=1, cursor=pages["next_cursor"])
    assert pages["items"] + rest["items"] == found["items"]
    assert (pages["total"], rest["next_cursor"]) == (31.5, None)


async def test_no_usage_is_counted_as_none(health_service: HealthService) -> None:
    await health_service.learn([told(ContactUpserted(contact_id="c", roles=["champion"]), TODAY)])
    found = await health_service.ask("/v1/accounts/acme/usage")
    assert (found["total"], found["items"], found["next_cursor"]) == (0, [], None)
    await health_service.learn([used(TODAY, "p0", "login")])
    assert (await health_service.ask("/v1/accounts/acme/usage", to="2001-01-01"))["total"] == 0
    assert (await health_service.ask("/v1/accounts/acme/usage", known_at="2001-01-01"))["total"] == 0


async def test_not_yet_absorbed_is_provisional(health_service: HealthService) -> None:
    await health_service.learn(steady_usage())
    asked = {"known_at": at(TODAY)}
    assert (await health_service.ask(HEALTH, **asked))["provisional"] is True
    async with health_service.database.transaction() as conn:
        later = TODAY + timedelta(minutes=1)
        await execute(
            conn,
            """insert into position (topic, partition, cluster, next_offset, absorbed_through)
               select 'usage.v1', p, 'c', 1, $1 from generate_series(0, 11) p""",
            later,
        )
    assert "provisional" not in await health_service.ask(HEALTH, **asked)
    assert (await health_service.ask(HEALTH, known_at=at(later + timedelta(hours=1))))["provisional"] is True


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/v1/accounts/nobody/health", {}, 404, "not_found"),
        ("/v1/accounts/nobody/usage", {}, 404, "not_found"),
        ("/v1/accounts/nobody/health/history", {}, 404, "not_found"),
        (HEALTH, {"as_of": "yesterday"}, 400, "bad_request"),
        (HEALTH, {"definition": "best-9"}, 400, "bad_request"),
        (f"{HEALTH}/facts", {"measure": "luck"}, 400, "bad_request"),
        (f"{HEALTH}/facts", {}, 400, "bad_request"),
        (f"{HEALTH}/history", {"from": "1990-01-01"}, 400, "bad_request"),
        ("/v1/accounts/acme/usage", {"cursor": "e30"}, 400, "bad_request"),
        ("/v1/portfolio", {"cursor": "WzEsMiwzXQ", "sort": "luck"}, 400, "bad_request"),
        ("/v1/portfolio", {"limit": "501"}, 400, "bad_request"),
    ],
)
async def test_what_cannot_be_answered(
    health_service: HealthService, path: str, params: dict[str, str], status: int, code: str
) -> None:
    await health_service.learn([used(TODAY, "p")])
    answer = await health_service.client.get(path, params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


async def test_nobody_without_a_token_sees_anything(health_service: HealthService) -> None:
    del health_service.client.headers["authorization"]
    for path in (HEALTH, f"{HEALTH}/history", f"{HEALTH}/facts", "/v1/accounts/acme/usage", "/v1/portfolio"):
        answer = await health_service.client.get(path)
        assert answer.status_code == httpx.codes.UNAUTHORIZED
