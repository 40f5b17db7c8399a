"""Traits become fields where they fit, and never make a call fail."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import traits
from shared.events import AccountProfiled, ContactUpserted

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3)
NAMES = st.sampled_from(
    [*"xyz", "name", "tier", "timezone", "timeZone", "startedOn", "roles", "email", "active", "title"]
)


def raw(given: dict[str, Any]) -> traits.Traits:
    return msgspec.json.decode(msgspec.json.encode(given), type=dict[str, msgspec.Raw])


def plain(data: dict[str, Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(data))


@pytest.mark.parametrize(
    ("given", "data"),
    [
        ({}, {}),
        ({"name": "Acme", "country": "JP"}, {"name": "Acme", "country": "JP"}),
        ({"timezone": "Asia/Tokyo"}, {"time_zone": "Asia/Tokyo"}),
        ({"timeZone": "Asia/Tokyo", "parentId": "p"}, {"time_zone": "Asia/Tokyo", "parent_id": "p"}),
        ({"time_zone": "A", "timezone": "B"}, {"time_zone": "A", "attributes": {"timezone": "B"}}),
        ({"tier": "high"}, {"tier": "high"}),
        ({"tier": "gold"}, {"attributes": {"tier": "gold"}}),
        ({"renewalOn": "2027-01-31"}, {"renewal_on": "2027-01-31"}),
        ({"renewalOn": "soon"}, {"attributes": {"renewalOn": "soon"}}),
        ({"industry": None}, {"industry": None}),
        ({"mrr": 1200.10, "deep": {"a": [1]}}, {"attributes": {"mrr": 1200.10, "deep": {"a": [1]}}}),
    ],
)
def test_what_an_account_is(given: dict[str, Any], data: dict[str, Any]) -> None:
    assert plain(traits.profile(raw(given))) == data


@pytest.mark.parametrize(
    ("given", "data"),
    [
        ({"email": "a@example.com", "title": "CTO", "plan": "pro"}, {"email": "a@example.com", "title": "CTO"}),
        ({"firstName": "Ada", "lastName": "L"}, {"name": "Ada L"}),
        ({"first_name": "Ada"}, {"name": "Ada"}),
        ({"name": "Ada", "lastName": "L"}, {"name": "Ada"}),
        ({"email": 7, "roles": ["boss"], "firstName": 1}, {}),
        ({"roles": ["champion"], "active": False}, {"roles": ["champion"], "active": False}),
    ],
)
def test_who_a_contact_is(given: dict[str, Any], data: dict[str, Any]) -> None:
    assert plain(traits.contact(raw(given))) == data


@given(st.dictionaries(NAMES, VALUES))
def test_any_traits_make_valid_data_and_no_account_trait_is_lost(given: dict[str, Any]) -> None:
    profile = plain(traits.profile(raw(given)))
    msgspec.convert(profile, AccountProfiled)
    kept = [*profile.get("attributes", {}).values(), *(v for k, v in profile.items() if k != "attributes")]
    assert sorted(map(repr, kept)) == sorted(map(repr, given.values()))
    msgspec.convert({"contact_id": "u", **plain(traits.contact(raw(given)))}, ContactUpserted)
