"""What each call means, as the SDKs send it and as nobody should."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.origin import NOBODY
from services.ingest.segment import CALLS, Meant, corrected, derived_id, read_batch, read_single, understand
from shared.errors import BadEvent, BadRequest
from shared.events import CODES, decode_untrusted
from tests.unit.ingest.recordings import RECEIVED, TRACE, call, origin, recordings, requests

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - made aware


def meant(**fields: Any) -> tuple[Meant, dict[str, Any]]:
    found = understand(call(**fields), None, origin())
    return found, json.loads(found.event)


@pytest.mark.parametrize("name", recordings())
def test_every_recorded_call_is_understood(name: str) -> None:
    for request in requests(name):
        batch = read_batch(json.dumps({"batch": request.calls}).encode())
        for raw, said in zip(batch.raws, request.calls, strict=True):
            found = understand(raw, None, origin())
            event, _ = decode_untrusted(found.event, received=RECEIVED, backdate=False)
            assert (found.call, event.id, found.person_id) == (said["type"], said["messageId"], said["userId"])
            assert event.source == "shop"
            assert event.traceparent == TRACE


def test_track_is_usage() -> None:
    found, event = meant(properties={"rows": 120, "quantity": 3}, timestamp="2026-01-02T03:04:05+09:00")
    assert event["type"] == "kizuna.usage.recorded"
    assert (event["subject"], found.account_id) == ("a1", "a1")
    assert event["time"] == "2026-01-02T03:04:05+09:00"
    assert event["data"] == {"event": "Login", "person_id": "u1", "properties": {"rows": 120, "quantity": 3}}
    assert "backfill" not in event


@pytest.mark.parametrize(("kind", "name"), [("page", "page_viewed"), ("screen", "screen_viewed")])
def test_pages_and_screens_are_usage_with_their_name(kind: str, name: str) -> None:
    _, event = meant(type=kind, name="Home", category="Docs", properties={"url": "https://x.example/"})
    assert event["data"]["event"] == name
    assert event["data"]["properties"] == {"url": "https://x.example/", "name": "Home", "category": "Docs"}
    assert "properties" not in meant(type=kind, event=...)[1]["data"]


def test_group_is_a_profile_and_a_membership() -> None:
    found, event = meant(type="group", groupId=42, traits={"name": "Acme", "mrr": 1200}, context=...)
    assert (found.call, found.person_id, found.account_id) == ("group", "u1", "42")
    assert event["data"] == {"name": "Acme", "attributes": {"mrr": 1200}}


def test_identify_is_a_contact() -> None:
    found, event = meant(type="identify", traits={"email": "a@example.com", "plan": "pro"}, context=...)
    assert event["data"] == {"contact_id": "u1", "email": "a@example.com"}
    assert (event["subject"], found.account_id) == (NOBODY, None)


def test_traits_in_the_context_count_where_the_call_has_none() -> None:
    context = {"traits": {"email": "a@example.com", "title": "CTO"}}
    assert meant(type="identify", context=context)[1]["data"]["email"] == "a@example.com"
    own = meant(type="identify", context=context, traits={"email": "b@example.com"})[1]["data"]
    assert own == {"contact_id": "u1", "email": "b@example.com", "title": "CTO"}


def test_alias_names_both_ids() -> None:
    found, event = meant(type="alias", previousId="anon-1", context=...)
    assert (found.person_id, found.previous_id) == ("u1", "anon-1")
    assert event["data"] == {"person_id": "u1", "previous_id": "anon-1"}


@pytest.mark.parametrize(
    ("given", "person"),
    [
        ({"userId": 42}, "42"),
        ({"userId": 42.0}, "42"),
        ({"userId": 0}, "0"),
        ({"userId": None, "anonymousId": "anon"}, "anon"),
        ({"userId": "", "anonymousId": 7}, "7"),
        ({"userId": "u", "anonymousId": None}, "u"),
    ],
)
def test_ids_may_be_numbers_and_null(given: dict[str, Any], person: str) -> None:
    assert meant(**given)[0].person_id == person


def test_a_missing_message_id_is_made_up_from_what_was_said_and_when() -> None:
    one, two = (meant(messageId=absent)[0].id for absent in (..., None))
    assert one != two
    assert one == meant(messageId=...)[0].id
    assert len(one) == 32


def test_the_route_decides_about_a_single_call() -> None:
    assert understand(call(type="whatever", groupId="g"), "group", origin()).call == "group"
    assert understand(call(type=...), "track", origin()).call == "track"


def test_rudder_says_original_timestamp() -> None:
    _, event = meant(originalTimestamp="2026-11-22T11:59:30.000Z", sentAt="2026-11-22T11:59:31.000Z")
    assert event["time"] == "2026-11-22T11:59:30Z"
    given = meant(originalTimestamp="2026-11-22T11:59:30.000Z", timestamp="2026-01-02T03:04:05.000Z")[1]
    assert given["time"] == "2026-01-02T03:04:05Z"


def test_a_wrong_clock_is_corrected_but_history_is_not() -> None:
    hour_slow = {"timestamp": "2026-11-22T10:59:00Z", "sentAt": "2026-11-22T11:00:00Z"}
    assert meant(**hour_slow)[1]["time"] == "2026-11-22T11:59:00Z"
    history = meant(**hour_slow, context={"groupId": "a1", "backfill": True})[1]
    assert (history["time"], history["backfill"]) == ("2026-11-22T10:59:00Z", True)


@given(TIMES, TIMES, TIMES)
def test_correction_keeps_what_the_client_can_know(client: datetime, sent: datetime, received: datetime) -> None:
    found = corrected(client, sent, received)
    assert found - received <= timedelta(hours=24)
    if abs(received - sent) > timedelta(seconds=60) and found != received:
        assert received - found == sent - client
    assert corrected(None, sent, received) == received
    near = corrected(client, received + timedelta(seconds=60), received)
    assert near in {client, received}


@given(st.text(max_size=300), st.text(max_size=300))
def test_derived_ids_are_stable_short_and_different(message: str, what: str) -> None:
    assert derived_id(message, what) == derived_id(message, what) != derived_id(message, what + "x")
    assert len(derived_id(message, what)) <= 255


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "zap"}, "unknown_type"),
    ({"type": ...}, "unknown_type"),
    ({"type": 7}, "wrong_type"),
    ({"event": ...}, "missing_field"),
    ({"event": 7}, "wrong_type"),
    ({"userId": ...}, "missing_field"),
    ({"userId": ["u"]}, "wrong_type"),
    ({"userId": True}, "wrong_type"),
    ({"messageId": {}}, "wrong_type"),
    ({"context": "x"}, "wrong_type"),
    ({"context": {"backfill": "yes"}}, "wrong_type"),
    ({"context": {"groupId": []}}, "wrong_type"),
    ({"properties": []}, "wrong_type"),
    ({"timestamp": "yesterday"}, "wrong_type"),
    ({"type": "group", "groupId": None, "context": None}, "missing_field"),
    ({"type": "group", "groupId": "g", "traits": "x"}, "wrong_type"),
    ({"type": "alias"}, "missing_field"),
    ({"type": "alias", "previousId": "u1"}, "bad_value"),
    ({"properties": {"a\0": 1}}, "nul"),
    ({"integrations": {"x": "a\0b"}}, "nul"),
    ({"context": {"x": "\ud800"}}, "lone_surrogate"),
    ({"properties": {"x": float("nan")}}, "bad_json"),
    ({"properties": {"x": "y" * 70_000}}, "too_large"),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED, ids=[f"{next(iter(f))}-{c}" for f, c in REFUSED])
def test_a_bad_call_is_refused_by_name(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(BadEvent) as caught:
        understand(call(**fields), None, origin())
    assert caught.value.code == code
    assert code in CODES


@pytest.mark.parametrize("depth", [70, 900, 5000])
def test_a_deep_call_is_refused_wherever_the_depth_is(depth: int) -> None:
    for field in ("properties", "integrations", "context"):
        raw = call(**{field: "@"}).replace(b'"@"', b'{"x":' * depth + b"1" + b"}" * depth)
        with pytest.raises(BadEvent) as caught:
            understand(raw, None, origin())
        assert caught.value.code == "too_deep"


@given(st.dictionaries(st.sampled_from([*"xy", "type", "userId", "groupId", "context", "traits", "properties"]), JSON))
def test_whatever_is_said_is_understood_or_refused(fields: dict[str, Any]) -> None:
    for kind in (None, *CALLS):
        try:
            found = understand(call(**fields), kind, origin())
            decode_untrusted(found.event, received=RECEIVED, backdate=False)
        except BadEvent as error:
            assert error.code in CODES  # noqa: PT017 - being understood is as good


@given(st.binary(max_size=80))
def test_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(BadEvent):
        understand(raw, "track", origin())


@pytest.mark.parametrize("field", ["timestamp", "sentAt", "originalTimestamp"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z"])
def test_absurd_times_do_no_harm(field: str, time: str) -> None:
    found = understand(call(**{field: time}), None, origin())
    try:
        event, _ = decode_untrusted(found.event, received=RECEIVED, backdate=False)
        assert event.time == RECEIVED
    except BadEvent as error:
        assert error.code == "absurd_time"  # noqa: PT017 - depends on which end it is


def test_the_envelope_tells_key_and_time() -> None:
    batch = read_batch(b'{"batch":[{},1],"writeKey":"kz_1","sentAt":"2026-11-22T11:00:00Z"}')
    assert (batch.raws, batch.write_key) == ([b"{}", b"1"], "kz_1")
    assert batch.sent == datetime(2026, 11, 22, 11, tzinfo=UTC)
    bad = read_batch(b'{"batch":[],"writeKey":7,"sentAt":"x"}')
    assert (bad.write_key, bad.sent) == (None, None)
    assert read_single(b'{"writeKey":"kz_2"}').write_key == "kz_2"


def test_a_damaged_neighbour_does_not_hide_the_others() -> None:
    good = b'{"a":1}'
    for bad in (b'{"x":NaN}', b'{"x":"\\ud800"}', b"[" * 5000 + b"]" * 5000, b"nonsense"):
        batch = read_batch(b'{"writeKey":"kz_1","batch":[' + good + b"," + bad + b"," + good + b"]}")
        assert (batch.raws, batch.write_key) == ([good, bad, good], "kz_1")


BROKEN = (
    b"",
    b"[]",
    b"1",
    b'"x"',
    b"{",
    b'{"batch":1}',
    b'{"batch":null}',
    b'{"batch":{}}',
    b"{}",
    b"\xff",
    b'{"batch":[',
)


@pytest.mark.parametrize("body", BROKEN)
def test_no_batch_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_batch(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"{} {}"])
def test_no_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_single(body)
