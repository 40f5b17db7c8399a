"""Where an account stands, how facts lie in the database, and how answers are written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.answers import fine, health_answer, instant, number
from services.health.course import health
from services.health.facts import account_facts
from services.health.rulebook import Rulebook
from services.health.standing import Before, change_of, standing
from services.health.stored import BUILD, Row, aliases, fact_of, split
from shared.events import TYPES, decode_event, encode_event
from tests.unit.health.histories import AS_OF, History, histories

RULES = Rulebook.read()


@settings(max_examples=30, deadline=None)
@given(histories())
def test_a_change_is_told_exactly_when_score_or_band_differ(given: History) -> None:
    facts = given.facts()
    found = health(facts, given.as_of, RULES.standard, RULES.measures)
    first = standing(facts, found, ("usage_drop",), None)
    event = change_of(first, None)
    assert event is not None
    assert decode_event(encode_event(event)).data == event.data
    before = Before(first.score, first.band, first.sequence)
    again = standing(facts, found, (), before)
    assert (again.sequence, change_of(again, before)) == (1, None)
    other = Before(Decimal("1.1"), "critical", 4)
    changed = change_of(standing(facts, found, (), other), other)
    assert changed is not None
    assert changed.id != event.id


@settings(max_examples=30, deadline=None)
@given(histories())
def test_an_answer_adds_up(given: History) -> None:
    found = health(given.facts(), given.as_of, RULES.standard, RULES.measures)
    answer = health_answer("acme", found, given.as_of)
    assert answer["as_of"] == answer["known_at"] == "2026-05-13T15:30:00Z"
    if answer["score"] is not None:
        parts = [
            *(each["contribution"] for each in answer["components"]),
            *(each["effect"] for each in answer["gates"]),
        ]
        assert answer["score"] == pytest.approx(50 + sum(parts), abs=0.06)
    assert len(answer["components"]) + len(answer["missing"]) == len(RULES.standard.measures)


def test_an_account_shows_its_company_owner_and_largest_revenue() -> None:
    facts = account_facts("acme", UTC)
    found = health(facts, AS_OF, RULES.standard, RULES.measures)
    shown = standing(facts, found, (), None)
    assert (shown.score, shown.band, shown.name, shown.owner, shown.mrr) == (None, "unknown", None, None, None)


@pytest.mark.parametrize("name", sorted(BUILD))
def test_every_example_is_stored_and_read_again(name: str) -> None:
    """What is kept and what is personal make the event's fact again, for every type that health keeps."""
    event = decode_event(TYPES[name].example.read_bytes())
    parts = split(event)
    assert not set(parts.data) & {"contact_id", "person_id", "name" if "contact" in name else "raw", "raw"}
    person = parts.persons.get("contact_id")
    row = Row(
        event.type,
        event.time,
        event.recordedtime,
        event.source,
        event.id,
        event.backfill,
        7 if person else None,
        person,
        {**parts.data, **parts.personal},
    )
    fact = fact_of(row, {7: 3})
    assert fact is not None
    assert (fact.effective, fact.recorded, fact.event_id) == (event.time, event.recordedtime, event.id)
    if person:
        assert getattr(fact, "contact_id", person) == person
        assert getattr(fact, "person", 3) == 3


def test_annual_prices_come_back_from_their_monthly_parts() -> None:
    """A twelfth of 400.00 has no end as a decimal; whatever is summed is rounded once, at the end."""
    item = {"item_id": "i", "product_id": "p", "quantity": "1", "unit_amount": "400.00", "interval": "year"}
    rows = [
        Row("kizuna.subscription.snapshot", AS_OF, AS_OF, "s", name, False, None, None, data)
        for name in "abc"
        for data in [{"subscription_id": name, "status": "active", "currency": "USD", "items": [item]}]
    ]
    facts = account_facts("acme", UTC, [fact for row in rows if (fact := fact_of(row, {})) is not None])
    assert facts.mrr(AS_OF) == {"USD": Decimal(100)}
    assert facts.arr(AS_OF) == {"USD": Decimal(1200)}
    one = account_facts("acme", UTC, facts.log[:1])
    assert (one.mrr(AS_OF), one.arr(AS_OF)) == ({"USD": Decimal("33.333333")}, {"USD": Decimal(400)})


def test_an_alias_is_no_fact_about_the_account() -> None:
    row = Row("kizuna.person.aliased", AS_OF, AS_OF, "s", "e", False, 5, "new", {"previous": 2})
    assert aliases([row]) == {5: 2, 2: 2}
    assert fact_of(row, {}) is None


@given(st.decimals(0, 10**6, places=2))
def test_numbers_are_whole_where_they_can_be(value: Decimal) -> None:
    shown: Any = number(value)
    assert shown == float(value)
    assert isinstance(shown, int) == (value == int(value))


def test_moments_and_fractions_are_written_shortly() -> None:
    assert (
        instant(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) + timedelta(microseconds=6)) == "2026-01-02T03:04:05.000006Z"
    )
    assert str(fine(-0.00001)) == "0.0"
