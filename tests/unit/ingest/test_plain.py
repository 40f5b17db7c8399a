"""The short way of a plain track call takes nothing that the long way refuses, and makes the same record of it."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest import items
from services.ingest.origin import BATCH, Origin
from services.ingest.plain import Shortcut
from shared.errors import BadEvent
from shared.events import MAX_BYTES
from shared.kafka import Record
from tests.unit.ingest.recordings import RECEIVED, TRACE, call, origin, recordings, requests
from tests.unit.ingest.test_segment import JSON

IDS = (
    st.text(max_size=5) | st.sampled_from(["u1", "x" * 255, "x" * 256, "\u2603" * 255, "\0", "\ud800", '"', "/"]) | JSON
)
EVER, NOW = (datetime(1969, 12, 30), datetime(2201, 1, 3)), (datetime(2026, 11, 21), datetime(2026, 11, 24))  # noqa: DTZ001 - some clients say no zone
MOMENTS = st.datetimes(*EVER) | st.datetimes(*NOW)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.one_of(
    MOMENTS.map(datetime.isoformat),
    st.tuples(MOMENTS, ZONES).map(lambda both: both[0].replace(tzinfo=both[1]).isoformat()),
    st.sampled_from(["2026-11-22T11:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "today", None]),
    JSON,
)
FIELDS = {
    "type": st.sampled_from(["track", "track", "track", "page", "group", "alias", "TRACK", None, 7]),
    "messageId": IDS,
    "userId": IDS,
    "anonymousId": IDS,
    "groupId": IDS,
    "previousId": IDS,
    "event": IDS,
    "name": JSON,
    "properties": st.dictionaries(st.text(max_size=4), JSON, max_size=4) | JSON,
    "traits": JSON,
    "context": st.fixed_dictionaries({}, optional={"groupId": IDS, "backfill": JSON, "traits": JSON, "ip": JSON})
    | JSON,
    "timestamp": TIMES,
    "originalTimestamp": TIMES,
    "sentAt": TIMES,
    "integrations": JSON,
}
CALLS = st.fixed_dictionaries({}, optional=FIELDS).map(lambda fields: call(**fields))
TOKENS = [
    b"\0",
    b"\\u0000",
    b"\\\\u0000",
    b"\xff",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[" * 70,
    b"NaN",
    b"1e999",
]
MEMBERS = [b"\\ud800", b"\\/", b" ", b",", b'"userId":"u9",', b'"properties":{"a":1,"a":{"b": 1.50}},', b'"\\u00e9":0,']
PIECES = st.sampled_from(TOKENS + MEMBERS)
ORIGINS = st.builds(
    lambda route, sent: origin(route, sent=sent and RECEIVED + timedelta(seconds=sent)),
    st.sampled_from([BATCH, "track"]),
    st.none() | st.integers(-70, 70),
)


def long_way(raw: bytes, origin: Origin) -> Record | str:
    try:
        item = items.read(0, raw, origin, RECEIVED)
    except BadEvent as error:
        return error.code
    return items.record(item.event, item.value) if item.account_id is not None else "parked"


def agree(raw: bytes, origin: Origin) -> bool:
    found = Shortcut(origin, RECEIVED).record(raw)
    if found is not None:
        expected = long_way(raw, origin)
        assert not isinstance(expected, str), f"refused: {expected}"
        assert found._replace(headers=list(found.headers)) == expected._replace(headers=list(expected.headers))
    return found is not None


@given(CALLS, ORIGINS)
def test_both_ways_agree_about_any_call(raw: bytes, origin: Origin) -> None:
    agree(raw, origin)


@given(CALLS, ORIGINS, st.lists(st.tuples(st.integers(0, 400), PIECES), max_size=2))
@example(call(), origin(), [(1, b'"userId":"u9",')])
@example(call(), origin(), [(1, b'"properties":{"a":1,"a":{"b": 1.50}},')])
def test_both_ways_agree_about_hostile_bytes(raw: bytes, origin: Origin, pieces: list[tuple[int, bytes]]) -> None:
    for at, piece in pieces:
        raw = raw[:at] + piece + raw[at:]
    agree(raw, origin)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": "track", "integrations": {}, "anonymousId": None, "properties": {}},
        {"timestamp": "2026-11-22T11:59:59.123+09:00", "sentAt": "2026-11-22T12:00:30Z"},
        {"originalTimestamp": "2020-01-01T00:00:00", "properties": {"a": 1.50, "\u2603": ["x", {"y": None}]}},
        {
            "properties": {"text": 'quo"te \\ \U0001f91d'},
            "context": {"groupId": "a" * 255, "backfill": False, "ip": "::1"},
        },
    ],
)
def test_what_plain_products_send_goes_the_short_way(fields: dict[str, Any]) -> None:
    assert agree(call(**fields), origin())
    assert agree(json.dumps(json.loads(call(**fields)), ensure_ascii=False, indent=1).encode(), origin("track"))


@pytest.mark.parametrize(
    "fields",
    [
        {"properties": {"x": "y" * MAX_BYTES}},
        {"timestamp": "2026-11-23T12:00:01Z"},
        {"timestamp": "1969-12-31T23:59:59Z"},
        {"timestamp": "2026-11-22T10:59:00Z", "sentAt": "2026-11-22T11:00:00Z"},
        {"context": {"groupId": "a1", "backfill": True}},
        {"context": {}},
        {"context": {"groupId": 7}},
        {"userId": None, "anonymousId": "anon"},
        {"messageId": ...},
        {"type": "page"},
        {"properties": {"x": "\0"}},
        {"integrations": {"x": "\ud800"}},
        {"integrations": [[]] * 64},
    ],
)
def test_whatever_is_not_plain_is_left_to_the_long_way(fields: dict[str, Any]) -> None:
    assert not agree(call(**fields), origin())


@pytest.mark.parametrize("name", recordings())
def test_both_ways_agree_about_recorded_calls(name: str) -> None:
    for request in requests(name):
        for said in request.calls:
            agree(json.dumps(said).encode(), origin())
            context = {**(said.get("context") or {}), "groupId": "a1"}
            agree(json.dumps({**said, "context": context}).encode(), origin("track"))


def test_headers_are_those_of_the_event() -> None:
    found = Shortcut(origin(), RECEIVED).record(call())
    assert found is not None
    assert (found.topic, found.key) == ("usage.v1", b"a1")
    assert dict(found.headers)["traceparent"] == TRACE.encode()
