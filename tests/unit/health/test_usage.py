"""Usage as numbers: grouping and adding up lose nothing, whatever the order and the batches."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.usage import Delta, DeltaKey, Tally, group, tallies, too_old
from shared.events import AccountProfiled, Event, UsageRecorded

NOON = datetime(2026, 5, 13, 12, tzinfo=UTC)
PEOPLE = {"a": 1, "b": 2, "c": 3}


def used(hours: int, person: str, kind: str, **more: object) -> Event:
    moment = NOON - timedelta(hours=hours)
    quantity = Decimal(str(more.get("quantity", 1)))
    data = UsageRecorded(event=kind, person_id=person, quantity=quantity, actor=more.get("actor", "human"))  # type: ignore[arg-type] # drawn from the list
    recorded = NOON + timedelta(minutes=hours % 3)
    return Event("i", "s", "kizuna.usage.recorded", "acme", moment, recorded, data, bool(more.get("backfill")))


EVENTS = st.lists(
    st.builds(
        used,
        st.integers(0, 100),
        st.sampled_from("abc"),
        st.sampled_from(["login", "search"]),
        quantity=st.integers(0, 30).map(lambda tenth: tenth / 10),
        actor=st.sampled_from(["human", "api", "agent"]),
        backfill=st.booleans(),
    ),
    max_size=40,
)


def deltas(events: Sequence[Event]) -> list[Delta]:
    return [delta(key, *amount) for key, amount in group(events, UTC).items()]


def delta(key: DeltaKey, quantity: Decimal, calls: int) -> Delta:
    person = PEOPLE[key.person]
    return Delta("acme", person, key.day, key.kind, key.actor, key.outcome, quantity, calls, key.recorded, key.backfill)


@given(EVENTS)
def test_grouping_loses_nothing(events: list[Event]) -> None:
    grouped = group(events, UTC)
    assert sum(calls for _, calls in grouped.values()) == len(events)
    quantities = [event.data.quantity for event in events if isinstance(event.data, UsageRecorded)]
    assert sum(quantity for quantity, _ in grouped.values()) == sum(quantities)
    assert {key.recorded for key in grouped} == {event.recordedtime for event in events}


@given(EVENTS, st.integers(0, 40), st.randoms())
def test_days_do_not_depend_on_order_or_batches(events: list[Event], cut: int, chance: object) -> None:
    whole = tallies(deltas(events), {})
    in_two = tallies(deltas(events[cut:]), tallies(deltas(events[:cut]), {}))
    turned = tallies(reversed(deltas(events)), {})
    assert whole == in_two == turned
    assert sum(tally.calls for tally in whole.values()) == len(events)


@given(EVENTS)
def test_only_humans_are_persons(events: list[Event]) -> None:
    by_human = {
        PEOPLE[e.data.person_id] for e in events if isinstance(e.data, UsageRecorded) and e.data.actor == "human"
    }
    assert set().union(*(tally.persons for tally in tallies(deltas(events), {}).values())) == by_human


def test_a_day_is_that_of_the_deployment() -> None:
    event = used(0, "a", "login")
    assert next(iter(group([event], ZoneInfo("Pacific/Kiritimati")))).day == date(2026, 5, 14)
    assert next(iter(group([event], ZoneInfo("Etc/GMT+12")))).day == date(2026, 5, 13)


def test_a_day_merges_persons_that_are_the_same() -> None:
    tally = Tally(persons={1, 2, 7}, events={"z": 1, "a": 2}, quantity=Decimal(3), calls=3, live_at=NOON)
    day = tally.on(NOON.date(), {1: 1, 2: 1})
    assert (day.persons, list(day.events), day.backfill) == ((1, 7), ["a", "z"], False)
    assert Tally(history_at=NOON).on(NOON.date(), {}).backfill


def test_what_is_no_usage_is_a_mistake_of_ours() -> None:
    event = Event("i", "s", "kizuna.account.profiled", "acme", NOON, NOON, AccountProfiled())
    with pytest.raises(TypeError, match=r"kizuna\.account\.profiled"):
        group([event], UTC)


def test_too_old_is_for_live_usage_alone() -> None:
    assert too_old(used(100, "a", "login"), timedelta(hours=99))
    assert not too_old(used(100, "a", "login"), timedelta(hours=102))
    assert not too_old(used(100, "a", "login", backfill=True), timedelta(hours=1))
