"""Facts over a real database: order and repetition change nothing, and what is kept is what is needed."""

import random
from datetime import timedelta

import pytest

from services.alerts import directory, store
from services.alerts.absorb import AlertsAbsorber
from shared.db import fetch
from shared.events import AccountProfiled, Event, topic_of
from tests.integration.alerts.desk import Desk
from tests.unit.alerts.saying import HANAKO, JANE, START, event, owner, profile, subscription, told


def story() -> list[Event]:
    day = timedelta(days=1)
    return [
        owner("acme", JANE),
        owner("acme", HANAKO, at=START + day),
        owner("acme", JANE, role="manager"),
        profile("acme", "Acme"),
        event("acme", AccountProfiled(name="Acme KK"), START + day),
        subscription("acme", "100", raw={"provider": "object"}),
        subscription("acme", "250", subscription_id="s2"),
        told("acme", "opened", START, severity="medium"),
        told("acme", "updated", START + day, severity="high"),
        told("acme", "opened", START + day, signal="usage_drop", subject_id=None),
        told("acme", "cleared", START + 2 * day, signal="usage_drop", subject_id=None),
        told("other", "opened", START, historical=True),
    ]


async def seen(desk: Desk) -> tuple[str, object, object]:
    async with desk.database.snapshot() as conn:
        facts = await store.directory(conn, ["acme"])
        found = directory.account("acme", facts["acme"], desk.now())
        bodies = await fetch(conn, "select body from alert order by id")
        return await store.fingerprint(conn), found, [row.body for row in bodies]


@pytest.mark.parametrize("seed", [1, 2])
async def test_shuffled_and_repeated_facts_end_the_same(desk: Desk, seed: int) -> None:
    events = story()
    await desk.tell(*events)
    before = await seen(desk)
    async with desk.database.transaction() as conn:
        await conn.exec_driver_sql(
            "truncate signal_fact, profile_fact, owner_fact, subscription_fact, person, alert, delivery"
        )
    mixed = events + events
    random.Random(seed).shuffle(mixed)
    for each in mixed:
        await desk.tell(each)
    assert await seen(desk) == before


async def test_the_fingerprint_notices_what_people_and_signals_say(desk: Desk) -> None:
    await desk.tell(told("acme"))
    first = (await seen(desk))[0]
    await desk.tell(told("acme", "updated", START + timedelta(hours=1), severity="critical"))
    assert (await seen(desk))[0] != first


async def test_people_stand_in_one_table(desk: Desk) -> None:
    await desk.tell(*story())
    async with desk.database.snapshot() as conn:
        people = await fetch(conn, "select person_id, details from person order by person_id")
        facts = await fetch(conn, "select f::text as line from owner_fact f")
        [snapshot, _] = await fetch(
            conn, "select snapshot from subscription_fact order by snapshot->>'subscription_id'"
        )
    assert [row.person_id for row in people] == ["hanako", "jane"]
    assert not any(JANE.email in row.line or "hanako" in row.line for row in facts)
    assert "provider" not in snapshot.snapshot


def test_it_reads_the_types_it_uses_from_the_topics_they_are_on() -> None:
    assert {topic_of(each) for each in AlertsAbsorber.types} == set(AlertsAbsorber.topics)


async def test_the_newest_owner_wins_a_filter_however_they_came(desk: Desk) -> None:
    await desk.tell(*story())
    assert len(await desk.alerts(owner="hanako")) == 2
    assert await desk.alerts(owner="jane") == []
