"""The three modes are read as the CloudEvents SDK writes them, and plain JSON as people write it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.cloudevents import BATCH, PLAIN, STRUCTURED, read
from shared.errors import BadRequest, UnsupportedMedia

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
DATA = st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.lists(st.integers(), max_size=3), max_size=4)
EVENT = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "a", "data": {}}
TYPE = {b"content-type": STRUCTURED.encode()}


def headers_of(message: HTTPMessage) -> dict[bytes, bytes]:
    return {name.lower().encode(): value.encode("latin-1") for name, value in message.headers.items()}


def seen(raw: bytes) -> dict[str, Any]:
    found = json.loads(raw)
    if "time" in found:
        found["time"] = datetime.fromisoformat(found["time"])
    found.pop("datacontenttype", None)
    return dict(found)


@given(TEXT, TEXT, TEXT, st.datetimes(timezones=st.just(UTC)), DATA)
def test_all_modes_say_the_same_as_the_sdk(id: str, source: str, subject: str, time: datetime, data: Any) -> None:  # noqa: A002 - the attribute's name
    attributes = {"specversion": "1.0", "id": id, "source": source, "type": "t", "subject": subject, "time": time}
    event = CloudEvent({**attributes, "datacontenttype": "application/json", "traceparent": "00-x"}, data)
    expected = {**attributes, "traceparent": "00-x", "data": data}
    for message in (to_binary_event(event), to_structured_event(event)):
        body = message.body
        found = read(headers_of(message), body, "key's")
        assert found.single
        assert [seen(raw) for raw in found.raws] == [expected]
    batch = read({b"content-type": BATCH.encode()}, b"[" + to_structured_event(event).body + b"]", "key's")
    assert not batch.single
    assert [seen(raw) for raw in batch.raws] == [expected]


@given(st.dictionaries(st.sampled_from(["id", "source", "subject", "type"]), TEXT, min_size=1), DATA)
def test_headers_may_be_quoted(attributes: dict[str, str], data: Any) -> None:
    quoted = {
        f"ce-{name}".encode(): b'"%s"' % value.replace("%", "%25").replace("\\", "\\\\").replace('"', '\\"').encode()
        for name, value in attributes.items()
    }
    [raw] = read({b"content-type": b"application/json", **quoted}, json.dumps(data).encode(), "s").raws
    assert json.loads(raw) == {**attributes, "data": data}


def test_history_is_marked_in_binary_mode_too() -> None:
    headers = {b"ce-id": b"1", b"ce-backfill": b"true", b"ce-data": b"x", b"ce-datacontenttype": b"text/plain"}
    [raw] = read(headers, b'{"a": 1}', "s").raws
    assert json.loads(raw) == {"id": "1", "backfill": True, "data": {"a": 1}}


@pytest.mark.parametrize("value", [b"%FF", b"%ED%A0%80", b"\xe9", b"%C0%80", b"%80"])
def test_headers_must_be_utf8(value: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read({b"ce-id": value}, b"{}", "s")
    assert caught.value.code == "bad_encoding"


@pytest.mark.parametrize("body", [b"", b"{", b'{},"id":"2"', b"{} {}", b"[" * 5000, b"x", b'"\\ud800"'])
def test_the_body_of_a_binary_event_is_its_data_and_nothing_else(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read({b"ce-id": b"1"}, body, "s")


def test_plain_json_may_leave_out_what_the_key_knows() -> None:
    short = {"id": "1", "type": "t", "subject": "a", "data": {}}
    headers = {b"content-type": b"application/json; charset=UTF-8"}
    [raw] = read(headers, json.dumps(short).encode(), "shop").raws
    assert json.loads(raw) == {"specversion": "1.0", "source": "shop", **short}
    full = read(headers, json.dumps([short, EVENT, {}, 7]).encode(), "shop")
    assert not full.single
    assert json.loads(full.raws[1]) == EVENT
    assert json.loads(full.raws[2]) == {"specversion": "1.0", "source": "shop"}
    assert full.raws[3] == b"7"


@pytest.mark.parametrize("mode", [BATCH, PLAIN])
def test_a_damaged_neighbour_does_not_hide_the_others(mode: str) -> None:
    good = json.dumps(EVENT).encode()
    for bad in (b'{"x":NaN}', b'{"x":"\\ud800"}', b"[" * 5000 + b"]" * 5000, b"nonsense"):
        found = read({b"content-type": mode.encode()}, b"[" + good + b"," + bad + b"," + good + b"]", "s")
        assert list(found.raws) == [good, bad, good]


@pytest.mark.parametrize("body", [b"", b"{}", b"1", b"[", b"[1", b'"x"', b"[1]]"])
def test_no_array_is_no_batch(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read({b"content-type": BATCH.encode()}, body, "s")


@pytest.mark.parametrize(
    "kind",
    [b"", b"text/plain", b"application/xml", b"application/cloudevents+xml", b"application/json; charset=latin-1"],
)
def test_other_content_types_are_not_read(kind: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        read({b"content-type": kind}, b"{}", "s")


def test_binary_data_must_be_json() -> None:
    with pytest.raises(UnsupportedMedia):
        read({b"content-type": b"text/plain", b"ce-id": b"1"}, b"{}", "s")
    assert read({b"content-type": b"application/vnd.x+json", b"ce-id": b"1"}, b"{}", "s").single


@given(st.binary(max_size=60), st.sampled_from([STRUCTURED, BATCH, PLAIN]))
def test_any_body_is_read_or_refused(body: bytes, kind: str) -> None:
    try:
        assert all(isinstance(raw, bytes) for raw in read({b"content-type": kind.encode()}, body, "s").raws)
    except BadRequest as error:
        assert error.code in {"bad_json", "bad_batch"}  # noqa: PT017 - being read is as good
