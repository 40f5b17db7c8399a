"""One bad event never rejects its neighbours, and limits are exact and said."""

import gzip
import json
from typing import Any

import pytest

from services.ingest.body import MOST_BYTES
from tests.plugins.ingest import Ingest
from tests.plugins.topics import ReadTopic
from tests.unit.ingest.recordings import call

DEEP = b"[" * 5000 + b"]" * 5000
BAD: dict[str, tuple[bytes, str]] = {
    "NaN": (call(messageId="bad", properties={"x": float("nan")}), "bad_json"),
    "a number out of range": (call(messageId="bad", event="@").replace(b'"@"', b"1e999"), "absurd_number"),
    "NUL": (call(messageId="bad", userId="a\0b"), "nul"),
    "half a surrogate pair": (call(messageId="bad", userId="\ud800"), "lone_surrogate"),
    "Latin-1": (call(messageId="bad", event="@").replace(b"@", b"\xe9"), "bad_encoding"),
    "900 deep": (call(messageId="bad", properties={"x": "@"}).replace(b'"@"', DEEP[4100:5900]), "too_deep"),
    "5,000 deep": (call(messageId="bad", properties={"x": "@"}).replace(b'"@"', DEEP), "too_deep"),
    "too large": (call(messageId="bad", properties={"x": "y" * 65_536}), "too_large"),
    "another type": (call(messageId="bad", type="zap"), "unknown_type"),
    "wrong types": (call(messageId="bad", context="x", userId=[]), "wrong_type"),
    "no object": (b"7", "bad_json"),
    "null": (b"null", "bad_json"),
    "a list": (b"[]", "bad_json"),
    "no event name": (call(messageId="bad", event=...), "missing_field"),
}


def batch(*raws: bytes) -> bytes:
    return b'{"batch":[' + b",".join(raws) + b"]}"


@pytest.mark.parametrize(("bad", "code"), BAD.values(), ids=BAD)
async def test_a_bad_call_is_named_and_its_neighbours_arrive(
    bad: bytes, code: str, ingest: Ingest, read_topic: ReadTopic
) -> None:
    answer = await ingest.post("/v1/batch", content=batch(call(messageId="1"), bad, call(messageId="2")))
    assert answer.status_code == 200
    said = answer.json()
    assert (said["received"], said["accepted"], said["parked"]) == (3, 2, 0)
    [why] = said["rejected"]
    assert (why["index"], why["code"]) == (1, code)
    assert why["message"]
    assert {event.id for event in await read_topic("usage.v1", 2)} == {"1", "2"}
    [letter] = (await ingest.get(f"/v1/dead-letters?reason={code}"))["items"]
    assert (letter["event_id"], letter["source"], letter["message"]) == (why["id"], "test", why["message"])


async def test_the_refused_are_listed_in_the_order_sent_and_kept_once(ingest: Ingest) -> None:
    body = batch(*(raw for raw, _ in BAD.values()))
    codes = [code for _, code in BAD.values()]
    for _ in range(2):
        said = (await ingest.post("/v1/batch", content=body)).json()
        assert [why["code"] for why in said["rejected"]] == codes
        assert [why["index"] for why in said["rejected"]] == list(range(len(codes)))
    assert (await ingest.get("/v1/status"))["dead_letters"] == len(codes)


async def test_an_empty_batch_is_fine(ingest: Ingest) -> None:
    answer = await ingest.post("/v1/batch", json={"batch": []})
    assert answer.json() == {"success": True, "received": 0, "accepted": 0, "parked": 0, "rejected": []}


async def test_2500_events_are_a_request_and_one_more_are_not(ingest: Ingest, read_topic: ReadTopic) -> None:
    raws = [call(messageId=f"m{n}", context={"groupId": f"a{n % 50}"}) for n in range(2501)]
    answer = await ingest.post("/v1/batch", content=batch(*raws))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_events")
    answer = await ingest.post(
        "/v1/batch", content=gzip.compress(batch(*raws[:-1])), headers={"content-encoding": "gzip"}
    )
    assert answer.json()["accepted"] == 2500
    assert len({event.id for event in await read_topic("usage.v1", 2500)}) == 2500


async def test_4_mib_are_a_request_and_one_byte_more_is_not(ingest: Ingest) -> None:
    head, tail = b'{"batch":[],"x":"', b'"}'
    whole = head + b"x" * (MOST_BYTES - len(head) - len(tail)) + tail
    for encode, headers in ((bytes, {}), (gzip.compress, {"content-encoding": "gzip"})):
        options: dict[str, Any] = {"headers": headers}
        assert (await ingest.post("/v1/batch", content=encode(whole), **options)).status_code == 200
        answer = await ingest.post("/v1/batch", content=encode(whole + b" "), **options)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_a_body_without_a_length_is_bounded_too(ingest: Ingest) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield bytes(64 * 1024)

    answer = await ingest.post("/v1/batch", content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert (await ingest.post("/v1/batch", content=json.dumps({"batch": []}).encode())).status_code == 200
