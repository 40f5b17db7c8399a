"""Events find their account whenever it becomes known, by the rule, and none of them gets lost on the way."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from services.ingest import parked_store, person_store
from services.ingest.parked import Waiting
from services.ingest.person_store import Membership
from shared.db import execute
from shared.errors import NotReady
from tests.plugins.ingest import Ingest, StartIngest
from tests.plugins.runtime import until
from tests.plugins.topics import ReadTopic
from tests.unit.ingest.recordings import call

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(day: int) -> str:
    return (START + timedelta(days=day)).isoformat()


async def send(ingest: Ingest, *calls: dict[str, Any]) -> dict[str, Any]:
    answer = await ingest.post("/v1/batch", json={"batch": calls})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def track(person: str, name: str, day: int = 5) -> dict[str, Any]:
    return {"type": "track", "userId": person, "event": "E", "messageId": name, "timestamp": at(day)}


def group(person: str, account: str, day: int = 0) -> dict[str, Any]:
    return {"type": "group", "userId": person, "groupId": account, "timestamp": at(day)}


def alias(previous: str, person: str, name: str = "al") -> dict[str, Any]:
    return {"type": "alias", "userId": person, "previousId": previous, "messageId": name, "timestamp": at(1)}


async def parked(ingest: Ingest) -> list[str]:
    return [item["id"] for item in (await ingest.get("/v1/parked"))["items"]]


async def test_an_event_waits_for_its_account(ingest: Ingest, read_topic: ReadTopic) -> None:
    said = await send(ingest, track("u", "t1"))
    assert said == {"success": True, "received": 1, "accepted": 0, "parked": 1, "rejected": []}
    [item] = (await ingest.get("/v1/parked"))["items"]
    assert (item["id"], item["person_id"], item["type"]) == ("t1", "u", "kizuna.usage.recorded")
    assert (await ingest.get("/v1/events/t1"))["state"] == "parked"
    await send(ingest, group("u", "a1"))
    [event] = await read_topic("usage.v1", 1)
    assert (event.id, event.subject, event.source) == ("t1", "a1", "test")
    assert event.time == START + timedelta(days=5)
    await until(lambda: _none_left(ingest))
    assert (await ingest.http.get("/v1/events/t1", headers=ingest.admin)).status_code == 404


async def _none_left(ingest: Ingest) -> bool:
    status = await ingest.get("/v1/status")
    return bool(status["parked"] == status["remembered"] == 0)


async def test_the_same_event_waits_once(ingest: Ingest) -> None:
    for _ in range(2):
        assert (await send(ingest, track("u", "t1"), track("u", "t1")))["parked"] == 2
    assert await parked(ingest) == ["t1"]


async def test_a_group_call_counts_for_its_neighbours(ingest: Ingest, read_topic: ReadTopic) -> None:
    assert (await send(ingest, track("u", "t1"), group("u", "a1")))["accepted"] == 2
    [event] = await read_topic("usage.v1", 1)
    assert event.subject == "a1"


async def test_who_a_person_is_is_remembered(ingest: Ingest, read_topic: ReadTopic) -> None:
    identify = {"type": "identify", "userId": "u", "messageId": "i1", "traits": {"email": "u@example.com"}}
    said = await send(ingest, identify)
    assert (said["accepted"], said["parked"]) == (1, 0)
    assert await parked(ingest) == []
    assert (await ingest.get("/v1/events/i1"))["state"] == "remembered"
    await send(ingest, group("u", "a1"))
    events = await read_topic("customer.v1", 2)
    assert {(event.id, event.subject) for event in events if event.id == "i1"} == {("i1", "a1")}


async def test_an_alias_lets_events_of_both_ids_go(ingest: Ingest, read_topic: ReadTopic) -> None:
    await send(ingest, track("anon", "t1"), group("u", "a1"))
    assert await parked(ingest) == ["t1"]
    await send(ingest, alias("anon", "u"))
    [event] = await read_topic("usage.v1", 1)
    assert (event.id, event.subject) == ("t1", "a1")
    aliased = [event for event in await read_topic("customer.v1", 2) if event.type == "kizuna.person.aliased"]
    assert [event.subject for event in aliased] == ["a1"]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
async def test_every_account_of_a_person_hears_of_his_ids(
    order: Sequence[int], ingest: Ingest, read_topic: ReadTopic
) -> None:
    calls = [alias("anon", "u"), group("u", "a1"), group("anon", "a2")]
    for each in order:
        await send(ingest, calls[each])
    events = await read_topic("customer.v1", 4)
    told = {(event.subject, event.id) for event in events if event.type == "kizuna.person.aliased"}
    assert {account for account, _ in told} == {"a1", "a2"}
    assert len(told) == 2  # the same ids however often and in whatever order


async def test_too_many_waiting_events_are_refused_by_name(start_ingest: StartIngest) -> None:
    ingest = await start_ingest(parked_most=2)
    said = await send(ingest, *(track("u", f"t{n}") for n in range(4)))
    assert (said["parked"], [why["code"] for why in said["rejected"]]) == (2, ["parked_full", "parked_full"])
    assert (await send(ingest, track("u", "t0")))["parked"] == 1  # it waits already
    refused = (await ingest.get("/v1/dead-letters?reason=parked_full"))["items"]
    assert {item["event_id"] for item in refused} == {"t2", "t3"}


async def test_what_waits_too_long_becomes_a_dead_letter_that_can_be_tried_again(
    start_ingest: StartIngest, read_topic: ReadTopic
) -> None:
    ingest = await start_ingest()
    await send(ingest, track("u", "t1"))
    async with ingest.app.database.transaction() as conn:
        await execute(conn, "update parked set parked_at = parked_at - interval '29 days'")
    await ingest.app.waiting._sweep()
    assert await parked(ingest) == []
    [letter] = (await ingest.get("/v1/dead-letters"))["items"]
    assert (letter["reason"], letter["event_id"]) == ("parked_expired", "t1")
    await send(ingest, group("u", "a1"))
    answer = await ingest.http.post("/v1/dead-letters/replay", json={}, headers=ingest.admin)
    assert answer.json() == {"replayed": 1, "still_refused": {}}
    [event] = await read_topic("usage.v1", 1)
    assert (event.id, event.subject, event.source) == ("t1", "a1", "test")


async def test_a_sweep_finds_what_nobody_was_woken_for(ingest: Ingest, read_topic: ReadTopic) -> None:
    await send(ingest, *(track("u", f"t{n}") for n in range(3)))
    async with ingest.app.database.transaction() as conn:
        await person_store.remember(conn, [Membership("u", START, "a1")])
    await ingest.app.waiting._sweep()
    assert len(await read_topic("usage.v1", 3)) == 3


async def test_a_sweep_goes_page_by_page_and_finds_all(
    ingest: Ingest, read_topic: ReadTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parked_store, "LOOK_OVER", 7)
    monkeypatch.setattr(parked_store, "CATCH_UP", 3)
    random = Random(1)
    waiting = [(f"p{random.randrange(9)}", f"t{n}", random.randrange(9)) for n in range(60)]
    await send(ingest, alias("p3", "p4"), *(track(*each) for each in waiting))
    async with ingest.app.database.transaction() as conn:
        await person_store.remember(conn, [Membership(person, START, "a1") for person in ("p1", "p4", "p8")])
    await ingest.app.waiting._sweep()
    known = {name for person, name, _ in waiting if person in {"p1", "p3", "p4", "p8"}}
    assert {event.id for event in await read_topic("usage.v1", len(known))} == known
    assert set(await parked(ingest)) == {name for _, name, _ in waiting} - known


async def test_a_sweep_gets_through_a_full_table(ingest: Ingest, read_topic: ReadTopic) -> None:
    await send(ingest, track("first", "a"), track("middle", "e5"), track("last", "z"))
    async with ingest.app.database.transaction() as conn:
        await execute(
            conn,
            """insert into parked (source, event_id, event_type, person_id, at, event, parked_at)
               select source, 'e' || n, event_type, 'p' || n, at, event, parked_at
               from parked, generate_series(1, 100000) n where event_id = 'a' on conflict do nothing""",
        )
        await person_store.remember(conn, [Membership(each, START, "a1") for each in ("first", "middle", "last")])
    await ingest.app.waiting._sweep()
    assert {event.id for event in await read_topic("usage.v1", 3)} == {"a", "e5", "z"}
    assert (await ingest.get("/v1/status"))["parked"] == 99_999


class Unwilling:
    """A publisher whose broker is away."""

    async def publish(self, _: Any) -> None:
        raise NotReady("away")


async def test_what_cannot_be_let_go_keeps_nothing_from_being_given_up_or_forgotten(start_ingest: StartIngest) -> None:
    settings = (ingest := await start_ingest()).app.waiting.settings
    await send(ingest, track("u", "t1"), track("v", "t2"), {"type": "nonsense", "messageId": "x"})
    async with ingest.app.database.transaction() as conn:
        await person_store.remember(conn, [Membership("u", START, "a1")])
        await execute(conn, "update parked set parked_at = parked_at - interval '29 days' where event_id = 't2'")
        await execute(conn, "update dead_letter set refused_at = refused_at - interval '91 days'")
    unwilling: Any = Unwilling()
    with pytest.raises(NotReady, match="away"):
        await Waiting(ingest.app.database, unwilling, settings)._sweep()
    assert await parked(ingest) == ["t1"]
    assert [item["event_id"] for item in (await ingest.get("/v1/dead-letters"))["items"]] == ["t2"]


class Hindered(Waiting):
    """Lets go of whom it is woken for, and never gets through a sweep."""

    async def _sweep(self) -> None:
        raise NotReady("too slow")


async def test_a_sweep_that_fails_lets_those_who_are_waited_for_have_their_turn(ingest: Ingest) -> None:
    await send(ingest, track("u", "t1"))
    async with ingest.app.database.transaction() as conn:
        await person_store.remember(conn, [Membership("u", START, "a1")])
    app, stop = ingest.app, asyncio.Event()
    hindered = Hindered(app.database, app.publisher, app.waiting.settings)
    hindered.wake(["u"])
    running = asyncio.create_task(hindered.run(stop))
    await until(lambda: _none_left(ingest))
    stop.set()
    await running


def account_by_the_rule(memberships: list[Membership], persons: set[str], when: datetime) -> str | None:
    """The rule, said in Python: the latest at or before, else the earliest after."""
    own = [each for each in memberships if each.person_id in persons]
    before = [(each.at, each.account_id) for each in own if each.at <= when]
    after = [(each.at, each.account_id) for each in own if each.at > when]
    if before:
        return max(before)[1]
    return min(after)[1] if after else None


@pytest.mark.parametrize("seed", range(5))
async def test_accounts_are_found_by_the_rule(seed: int, ingest: Ingest) -> None:
    random = Random(seed)
    people = [f"p{n}" for n in range(6)]
    memberships = [
        Membership(random.choice(people), START + timedelta(days=random.randrange(9)), f"a{random.randrange(5)}")
        for _ in range(25)
    ]
    wanted = [
        (random.choice([*people, "nobody"]), START + timedelta(days=random.randrange(-2, 11))) for _ in range(100)
    ]
    async with ingest.app.database.transaction() as conn:
        await person_store.remember(conn, memberships)
        found = await person_store.accounts(conn, wanted)
        known = await person_store.people(conn, ["p0", "p1", "p2"])
        known.join("p0", "p1")
        known.join("p2", "p1")
        pairs = [person_store.Alias("p0", "p1", b""), person_store.Alias("p2", "p1", b"")]
        await person_store.merge(conn, known, pairs)
        joined = await person_store.accounts(conn, wanted)
    assert found == [account_by_the_rule(memberships, {person}, when) for person, when in wanted]
    one = {"p0", "p1", "p2"}
    assert joined == [
        account_by_the_rule(memberships, one if person in one else {person}, when) for person, when in wanted
    ]


async def test_the_fingerprint_tells_facts_and_nothing_else(ingest: Ingest) -> None:
    before = (await ingest.get("/v1/fingerprint"))["fingerprint"]
    await send(ingest, track("u", "t1"), alias("x", "y"))
    after = (await ingest.get("/v1/fingerprint"))["fingerprint"]
    await send(ingest, alias("x", "y", name="another"), track("u", "t1"))
    assert before != after == (await ingest.get("/v1/fingerprint"))["fingerprint"]


async def test_a_single_call_without_an_account_waits_too(ingest: Ingest) -> None:
    answer = await ingest.post("/v1/track", content=call(context=...))
    assert answer.json()["parked"] == 1
