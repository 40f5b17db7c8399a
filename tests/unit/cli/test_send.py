"""`kizuna send` against ingest over real HTTP: what it fills in, how it waits, what it says of what was refused."""

import io
import json
import sys
from collections.abc import Callable

import pytest

from tests.plugins.cli import Answer, PlayedService

Run = Callable[..., tuple[int, str, str]]
TAKEN = {"success": True, "received": 1, "accepted": 1, "parked": 0, "rejected": []}


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_send_fills_what_is_missing_and_says_so(
    kizuna: Run, played: PlayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.routes["POST /v1/events"] = (200, TAKEN)
    whole = '{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"a","data":{"amount":1.10}}'
    stdin(monkeypatch, f'{whole}\n\n{{"type":"t","id":"2","subject":"a","data":{{}}}}\n')
    code, out, err = kizuna("send", "-")
    request = played.requests[-1]
    first, second = json.loads(request.body)
    assert code == 0
    assert "accepted 1" in out
    assert request.headers["content-type"] == "application/cloudevents-batch+json"
    assert request.headers["authorization"] == "Bearer kz_key"
    assert whole.encode() in request.body
    assert first["id"] == "1"
    assert (second["id"], second["source"], second["specversion"]) == ("2", "kizuna-cli", "1.0")
    assert "specversion to 1, source to 1" in err


def test_send_names_the_lines_that_were_refused(
    kizuna: Run, played: PlayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"index": 1, "id": "x", "code": "unknown_type", "message": "type: 'u' is not known"}
    played.routes["POST /v1/events"] = (200, {**TAKEN, "rejected": [refused]})
    stdin(monkeypatch, '\n{"type":"t"}\n\n{"type":"u"}\n')
    code, out, _ = kizuna("send", "-", "--json")
    assert code == 1
    assert json.loads(out)["rejections"] == [
        {"row": 4, "id": "x", "code": "unknown_type", "message": refused["message"]}
    ]


def test_send_waits_as_long_as_ingest_asks(kizuna: Run, played: PlayedService, monkeypatch: pytest.MonkeyPatch) -> None:
    full: Answer = (503, {"code": "not_ready", "message": "no ack"}, {"retry-after": "0"})
    answers = iter([full, (200, TAKEN)])
    played.routes["POST /v1/events"] = lambda _: next(answers)
    stdin(monkeypatch, '{"type":"t"}\n')
    assert kizuna("send", "-")[0] == 0
    posts = [request.body for request in played.requests if request.method == "POST"]
    assert len(posts) == 2
    assert posts[0] == posts[1]


@pytest.mark.parametrize("line", ["no json", "[1]", "\ufeff{", '{"a":' * 2000])
def test_send_names_a_line_that_is_no_object(
    kizuna: Run, monkeypatch: pytest.MonkeyPatch, played: PlayedService, line: str
) -> None:
    stdin(monkeypatch, f'{{"type":"t"}}\n{line}\n')
    code, _, err = kizuna("send", "-")
    assert code == 2
    assert "Line 2" in err


def test_send_sends_at_most_500_events_a_request(
    kizuna: Run, played: PlayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.routes["POST /v1/events"] = lambda request: (200, {**TAKEN, "accepted": len(json.loads(request.body))})
    stdin(monkeypatch, "".join(f'{{"id":"{n}"}}\n' for n in range(1201)))
    code, out, _ = kizuna("send", "-", "--json")
    assert (code, json.loads(out)["accepted"]) == (0, 1201)
    sizes = [len(json.loads(request.body)) for request in played.requests if request.method == "POST"]
    assert sorted(sizes) == [201, 500, 500]
