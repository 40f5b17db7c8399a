"""Recorded requests are rebuilt to the byte, and no answer that makes an SDK send again passes for a good one."""

import base64
import gzip
import json
from pathlib import Path

import pytest

from tests.sdks.recorded import Answer, Request, fault, recordings, refusal_fault, refusals, requests

KEY = "kz_another_and_longer_key"
REQUEST = Request("some", "POST", "/v1/batch", (), b"", events=2)
JSON = "application/json"


@pytest.mark.parametrize("recording", recordings(), ids=lambda file: file.stem)
def test_a_recording_is_rebuilt_but_for_address_and_key(recording: Path) -> None:
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    recorded_key = base64.b64decode(dict(lines[0]["headers"])["Authorization"].split()[1]).decode().strip(":")
    same = list(requests(recording, "127.0.0.1:1", recorded_key))
    moved = list(requests(recording, "127.0.0.1:1", KEY))
    assert len(lines) == len(same) == len(moved) > 0
    for said, old, new in zip(lines, same, moved, strict=True):
        assert f"{old.method} {old.path} HTTP/1.1" == said["request_line"]
        assert [name for name, _ in old.headers] == [name for name, _ in said["headers"]]
        assert len(_plain(old)) == said["decoded_len"]
        assert json.loads(_plain(old)) == said["body"]
        assert _changed(old, said["headers"]) <= {"host", "content-length"}
        assert json.loads(_plain(new)) == said["body"] | ({"writeKey": KEY} if "writeKey" in said["body"] else {})
        assert _given(new)["content-length"] == str(len(new.body))
        assert old.events == len(said["body"]["batch"])


def _plain(request: Request) -> bytes:
    packed = _given(request).get("content-encoding") == "gzip"
    return gzip.decompress(request.body) if packed else request.body


def _given(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers}


def _changed(request: Request, recorded: list[list[str]]) -> set[str]:
    return {
        name.lower() for (name, value), (_, former) in zip(request.headers, recorded, strict=True) if value != former
    }


def test_the_recordings_are_of_all_four_sdks_plain_and_packed() -> None:
    names = {file.stem for file in recordings()}
    assert {"segment-analytics-python-2.4.0", "segment-analytics-python-2.4.0-gzip", "rudder-sdk-python-2.1.9"} <= names
    assert {"segment-analytics-node-3.1.0", "rudder-sdk-node-3.0.13", "rudder-sdk-node-3.0.13-nogzip"} <= names


TAKEN = {"success": True, "received": 2, "accepted": 1, "parked": 1, "rejected": []}


def test_a_good_answer_passes() -> None:
    assert fault(REQUEST, Answer(200, "application/json; charset=utf-8", json.dumps(TAKEN).encode())) is None


@pytest.mark.parametrize("status", [201, 202, 204, 207, 301, 308, 400, 410, 429, 500, 503])
def test_nothing_but_200_passes(status: int) -> None:
    assert f"answered {status} instead of 200" in str(fault(REQUEST, Answer(status, JSON, json.dumps(TAKEN).encode())))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, JSON, b""),
        Answer(200, JSON, b"[]"),
        Answer(200, "text/plain", json.dumps(TAKEN).encode()),
        Answer(200, JSON, json.dumps(TAKEN | {"received": 1}).encode()),
        Answer(200, JSON, json.dumps(TAKEN | {"success": False}).encode()),
        Answer(200, JSON, json.dumps(TAKEN | {"rejected": [{"index": 0}]}).encode()),
    ],
)
def test_an_answer_that_does_not_say_that_all_was_taken_is_none(answer: Answer) -> None:
    assert fault(REQUEST, answer) is not None


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (Answer(401, JSON, b'{"code": "unauthorized", "message": "Use a write key."}'), True),
        (Answer(401, "application/problem+json", b'{"code": "unauthorized", "message": "Use a write key."}'), False),
        (Answer(401, JSON, b'{"detail": "Unauthorized"}'), False),
        (Answer(401, JSON, b'{"code": 7, "message": "Use a write key."}'), False),
        (Answer(401, JSON, b"no JSON"), False),
        (Answer(403, JSON, b'{"code": "forbidden", "message": "Not yours."}'), False),
    ],
)
def test_a_refusal_has_its_status_a_code_and_a_message(answer: Answer, passes: bool) -> None:
    assert (refusal_fault(REQUEST, 401, answer) is None) is passes


def test_what_must_be_refused_differs_from_a_good_request_in_one_thing() -> None:
    asked = refusals("127.0.0.1:1", KEY)
    assert len({request.name for request, _ in asked}) == len(asked)
    for request, status in asked:
        assert 400 <= status < 500
        assert status not in {408, 410, 429}  # these are repeated by every SDK
        assert dict(request.headers)["Content-Length"] == str(len(request.body))
