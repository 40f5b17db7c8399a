"""One event on its way: read, addressed, made a record; or refused with what a replay needs."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import items
from services.ingest.origin import NOBODY, PARKED, Origin, traceparent
from shared.errors import BadEvent
from shared.events import MAX_BYTES, TYPES, decode_event
from tests.unit.ingest.recordings import RECEIVED, TRACE, call, origin

LATER = RECEIVED + timedelta(days=3)


def event(**fields: Any) -> bytes:
    usual = {
        "specversion": "1.0",
        "id": "e1",
        "source": "crm",
        "type": "kizuna.ticket.closed",
        "subject": "a1",
        "data": {"ticket_id": "t1"},
    }
    return json.dumps({k: v for k, v in (usual | fields).items() if v is not ...}).encode()


def test_an_event_goes_to_its_topic_under_its_account() -> None:
    item = items.read(0, event(), origin("events"), RECEIVED)
    record = items.record(item.event, item.value)
    assert (record.topic, record.key) == ("customer.v1", b"a1")
    assert dict(record.headers) == {
        "ce_id": b"e1",
        "ce_source": b"crm",
        "ce_type": b"kizuna.ticket.closed",
        "traceparent": TRACE.encode(),
    }
    assert decode_event(record.value or b"") == item.event
    assert item.event.traceparent == TRACE


def test_a_call_of_the_greatest_size_is_taken_whatever_its_envelope_adds() -> None:
    account = "\u2603" * 255
    raw = call(context={"groupId": account}, properties={"x": "@"})
    raw = raw.replace(b"@", b"y" * (MAX_BYTES - len(raw) + 1))
    assert len(raw) == MAX_BYTES
    item = items.read(0, raw, origin(), RECEIVED)
    assert len(item.value) > MAX_BYTES
    assert decode_event(item.value) == item.event
    with pytest.raises(BadEvent, match="65537 bytes"):
        items.read(0, raw + b" ", origin(), RECEIVED)


def test_a_call_that_waited_for_a_long_account_can_still_be_read() -> None:
    raw = call(context=None, properties={"x": "@"})
    raw = raw.replace(b"@", b"y" * (MAX_BYTES - len(raw) + 1))
    waited = items.read(0, raw, origin(), RECEIVED)
    event, value = items.addressed(waited.value, "\U0001f91d" * 255, LATER)
    assert decode_event(value) == event


def test_a_clients_own_trace_is_kept() -> None:
    own = "00-11111111111111111111111111111111-2222222222222222-00"
    item = items.read(0, event(traceparent=own), origin("events"), RECEIVED)
    assert dict(items.record(item.event, item.value).headers)["traceparent"] == own.encode()
    none = items.read(0, event(traceparent=None), origin("events"), RECEIVED)
    assert decode_event(none.value).traceparent == TRACE


def test_history_goes_its_own_way() -> None:
    item = items.read(0, event(backfill=True), origin("events"), RECEIVED)
    assert items.record(item.event, item.value).topic == "backfill.v1"
    said = items.read(0, call(context={"groupId": "a1", "backfill": True}), origin(), RECEIVED)
    assert items.record(said.event, said.value).topic == "backfill.v1"


@pytest.mark.parametrize("name", sorted(TYPES))
def test_only_what_happens_outside_comes_in(name: str) -> None:
    raw = msgspec.json.encode(msgspec.json.decode(TYPES[name].example.read_bytes()))
    if TYPES[name].topic in items.OPEN_TOPICS:
        assert items.read(0, raw, origin("events"), LATER).event.type == name
    else:
        with pytest.raises(BadEvent) as caught:
            items.read(0, raw, origin("events"), LATER)
        assert caught.value.code == "unknown_type"


def test_receipt_is_ingests_own_unless_the_key_may_say_it() -> None:
    raw = event(recordedtime="2020-01-01T00:00:00Z")
    assert items.read(0, raw, origin("events"), RECEIVED).event.recordedtime == RECEIVED
    assert items.read(0, raw, origin("events", backdate=True), RECEIVED).event.recordedtime.year == 2020


def test_what_waited_is_known_from_its_release_on() -> None:
    item = items.read(0, call(context=...), origin(), RECEIVED)
    assert (item.account_id, item.event.subject) == (None, NOBODY)
    waits = items.waiting(item)
    assert (waits.event_id, waits.person_id, waits.at) == ("m1", "u1", RECEIVED)
    released, value = items.addressed(waits.event, "a9", LATER)
    assert (released.id, released.subject, released.time, released.recordedtime) == ("m1", "a9", RECEIVED, LATER)
    assert decode_event(value) == released
    again = items.read(0, waits.event, Origin(PARKED, "shop", LATER, TRACE), LATER)
    assert (again.account_id, again.person_id, again.event.recordedtime) == (None, "u1", LATER)


def test_a_repeated_call_is_the_same_event() -> None:
    one, two = (items.read(0, call(), origin(), known) for known in (RECEIVED, LATER))
    assert one.event.key == two.event.key


def test_a_refused_event_can_be_tried_again() -> None:
    raw = event(type="kizuna.from.tomorrow")
    with pytest.raises(BadEvent) as caught:
        items.read(3, raw, origin("events"), RECEIVED)
    why = items.refusal(3, raw, caught.value)
    assert (why.index, why.id, why.code) == (3, "e1", "unknown_type")
    letter = items.letter(why, raw, origin("events"))
    assert letter.raw == raw
    assert msgspec.json.decode(letter.frame, type=Origin) == origin("events")
    assert letter.place == items.letter(why, raw, origin("events")).place != items.letter(why, raw, origin()).place


def test_of_an_overlong_event_the_beginning_is_kept() -> None:
    raw = event(x="y" * 500_000)
    letter = items.letter(items.refusal(0, raw, BadEvent("too_large", "-")), raw, origin("events"))
    assert raw.startswith(letter.raw)
    assert (len(letter.raw), letter.replayable) == (128 * 1024, False)


@given(
    st.binary(max_size=100)
    | st.dictionaries(st.sampled_from(["id", "messageId"]), st.text() | st.integers()).map(
        lambda found: json.dumps(found).encode()
    )
)
def test_any_refusal_can_be_stored(raw: bytes) -> None:
    letter = items.letter(items.refusal(0, raw, BadEvent("x", "\0\ud800")), raw, origin())
    assert "\0" not in (letter.event_id or "") + letter.message
    ((letter.event_id or "") + letter.message).encode()


def test_trace_contexts_are_taken_if_valid() -> None:
    assert traceparent(TRACE.encode()) == TRACE
    for bad in (
        None,
        b"",
        b"x",
        TRACE.upper().encode(),
        b"ff" + TRACE[2:].encode(),
        b"00-" + b"0" * 32 + TRACE[35:].encode(),
    ):
        made = traceparent(bad)
        assert made != (bad or b"").decode()
        assert traceparent(made.encode()) == made
