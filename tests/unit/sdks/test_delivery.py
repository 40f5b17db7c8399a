"""What an SDK was told to send is what must be counted: no less, no more, nothing else."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdks.delivery import Outcome, miscounted
from tests.sdks.plan import SDKS, Calls

CALLS = st.builds(Calls, account=st.text(), tracks=st.integers(0, 3000), people=st.integers(1, 50))
SDK = SDKS[0]


def counted(calls: Calls) -> Counter[str]:
    return calls.usage + Counter({"": calls.usage.total()})


@given(CALLS)
def test_tracks_and_pages_are_usage_and_every_person_makes_two_calls_more(calls: Calls) -> None:
    assert calls.usage["page_viewed"] == calls.people
    assert calls.usage.total() == calls.tracks + calls.people
    assert calls.total == calls.usage.total() + 2 * calls.people
    assert Calls(**json.loads(calls.json()) | {"events": calls.events}) == calls


@given(CALLS, st.sampled_from(["", *Calls("").events, "page_viewed", "never sent"]), st.integers(-3, 3))
def test_every_difference_is_named(calls: Calls, name: str, difference: int) -> None:
    found = counted(calls)
    found[name] += difference
    faults = miscounted(replace(SDK, calls=calls), found)
    assert len(faults) == (difference != 0)
    assert all((name or "all events") in fault for fault in faults)


def test_each_sdk_has_an_account_of_its_own_and_1000_tracks() -> None:
    assert len({sdk.calls.account for sdk in SDKS}) == len(SDKS)
    assert {sdk.calls.tracks for sdk in SDKS} == {1000}


@pytest.mark.parametrize(
    ("received", "repeated", "faults"),
    [(1030, 0, 0), (1130, 100, 2), (1130, 0, 1), (930, 0, 1), (1030, 1, 1)],
)
def test_events_sent_twice_or_not_at_all_are_faults(received: int, repeated: int, faults: int) -> None:
    outcome = Outcome(SDK, "1", 11, received, counted(SDK.calls), repeated)
    assert len(outcome.faults()) == faults
    assert all(fault.startswith(SDK.package) for fault in outcome.faults())
