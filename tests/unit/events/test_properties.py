"""What holds for all events, tried on many."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.events import TYPES, BadEvent, Event, UsageRecorded, decode_event, decode_untrusted, encode_event
from tests.unit.events.building import RECEIVED, USAGE, compact

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["NaN", "1e9", "USD"])
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
QUANTITIES = st.decimals(0, 10**15, places=4, allow_nan=False)
FREE = st.dictionaries(
    TEXT, TEXT | st.integers(-(2**53), 2**53) | st.booleans() | st.none() | st.lists(TEXT), max_size=4
)


def outcome(raw: bytes) -> Event | BadEvent:
    try:
        event, kept = decode_untrusted(raw, received=RECEIVED, backdate=False)
    except BadEvent as refusal:
        return refusal
    assert decode_event(kept) == event
    return event


def told(raw: bytes) -> Event | str:
    """Return what the consumers' door makes of a record: one decoding of compact text, two of any other."""
    try:
        return decode_event(raw)
    except BadEvent as refusal:
        return refusal.code


@st.composite
def usages(draw: st.DrawFn) -> Event:
    recorded = draw(TIMES)
    data = UsageRecorded(
        event=draw(TEXT),
        person_id=draw(TEXT),
        product=draw(st.none() | TEXT),
        quantity=draw(QUANTITIES),
        actor=draw(st.sampled_from(["human", "api", "agent"])),
        properties=draw(st.none() | FREE),
    )
    time = min(draw(TIMES), recorded)
    return Event(draw(TEXT), draw(TEXT), "kizuna.usage.recorded", draw(TEXT), time, recorded, data, draw(st.booleans()))


@given(st.binary(max_size=300))
def test_any_bytes_end_as_event_or_refusal(raw: bytes) -> None:
    assert isinstance(outcome(raw), BadEvent)


@given(JSON)
def test_any_json_ends_as_event_or_refusal(document: Any) -> None:
    assert isinstance(outcome(json.dumps(document).encode()), BadEvent)


@given(st.sampled_from(sorted(TYPES)), st.data())
def test_a_spoilt_example_ends_as_event_or_refusal(event_type: str, data: st.DataObject) -> None:
    event = json.loads(TYPES[event_type].example.read_text(encoding="utf-8"))
    place = data.draw(st.sampled_from([event, event["data"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    outcome(json.dumps(event).encode())
    assert told(compact(event)) == told(json.dumps(event).encode())


@given(st.sampled_from(sorted(TYPES)), st.sampled_from(sorted(TYPES)))
def test_the_type_is_that_of_the_envelope(event_type: str, other: str) -> None:
    event = json.loads(TYPES[event_type].example.read_text(encoding="utf-8"))
    misleading = {"before": {"type": other}} | event
    assert told(compact(misleading)) == told(compact(event)) == told(json.dumps(event).encode())


@given(st.data())
def test_flipped_bytes_end_as_event_or_refusal(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(USAGE).encode())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    outcome(bytes(raw))


@given(usages())
def test_what_is_encoded_is_decoded_alike(event: Event) -> None:
    raw = encode_event(event)
    assert decode_event(raw) == event
    assert encode_event(decode_event(raw)) == raw


@given(usages())
def test_what_a_client_sends_again_is_the_same_event(event: Event) -> None:
    raw = encode_event(event)
    once, kept = decode_untrusted(raw, received=event.recordedtime, backdate=True)
    twice, again = decode_untrusted(kept, received=event.recordedtime, backdate=True)
    assert once == twice == event
    assert kept == again


@given(QUANTITIES, st.sampled_from(["%s", '"%s"']))
def test_amounts_survive_to_the_last_digit(quantity: Decimal, written: str) -> None:
    raw = json.dumps(USAGE | {"data": {"event": "e", "person_id": "p", "quantity": "@"}})
    event = outcome(raw.replace('"@"', written % quantity).encode())
    assert isinstance(event, Event)
    assert isinstance(event.data, UsageRecorded)
    assert event.data.quantity.as_tuple() == quantity.as_tuple()
