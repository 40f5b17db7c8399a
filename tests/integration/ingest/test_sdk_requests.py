"""The recorded requests of four SDKs, sent again byte for byte but for the key, get answers that none would retry."""

import json
from base64 import b64encode
from collections import Counter

import pytest

from tests.plugins.ingest import Ingest
from tests.plugins.topics import ReadTopic
from tests.unit.ingest.recordings import call, recordings, requests

SIX_CALLS = [name for name in recordings() if not name.startswith("retry/")]
RETRIED = [name for name in recordings() if name.startswith("retry/")]
TYPES = Counter(
    {
        "kizuna.account.profiled": 1,
        "kizuna.contact.upserted": 1,
        "kizuna.person.aliased": 1,
        "kizuna.usage.recorded": 3,
    }
)


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}


@pytest.mark.parametrize("name", SIX_CALLS)
async def test_all_six_calls_arrive(name: str, ingest: Ingest, read_topic: ReadTopic) -> None:
    received = 0
    for request in requests(name):
        answer = await ingest.http.post(request.path, content=request.wire, headers=request.headers | basic(ingest.key))
        assert answer.status_code == 200
        said = answer.json()
        assert said["success"] is True
        assert said["rejected"] == []
        assert said["received"] == said["accepted"] + said["parked"] == len(request.calls)
        received += said["received"]
    assert received == 6
    events = await read_topic("customer.v1", 3) + await read_topic("usage.v1", 3)
    assert Counter(event.type for event in events) == TYPES
    assert {event.subject for event in events} == {"acct-9"}
    assert {event.source for event in events} == {"test"}


@pytest.mark.parametrize("name", RETRIED)
async def test_a_retry_is_the_same_event(name: str, ingest: Ingest, read_topic: ReadTopic) -> None:
    await ingest.post("/v1/group", json={"userId": "user-1", "groupId": "acct-9"})
    for request in requests(name):
        answer = await ingest.http.post(request.path, content=request.wire, headers=request.headers | basic(ingest.key))
        assert answer.json() == {"success": True, "received": 1, "accepted": 1, "parked": 0, "rejected": []}
    events = await read_topic("usage.v1", 2)
    assert len(events) == 2
    assert len({event.key for event in events}) == 1


@pytest.mark.parametrize("path", ["/v1/track", "/v1/track/", "/v1/track//"])
async def test_a_slash_at_the_end_makes_no_difference(path: str, ingest: Ingest) -> None:
    assert (await ingest.post(path, content=call())).status_code == 200


async def test_the_key_may_come_in_every_way(ingest: Ingest) -> None:
    body = json.loads(call())
    bearer, own = {"authorization": f"Bearer {ingest.key}"}, {"x-write-key": ingest.key}
    for headers in (basic(ingest.key), bearer, own):
        assert (await ingest.http.post("/v1/track", json=body, headers=headers)).status_code == 200
    assert (await ingest.http.post("/v1/track", json=body | {"writeKey": ingest.key})).status_code == 200
    batch = {"batch": [body], "writeKey": ingest.key}
    assert (await ingest.http.post("/v1/batch", json=batch)).status_code == 200
    for path, content in (
        ("/v1/track", body),
        ("/v1/batch", batch | {"writeKey": "WRITEKEY123"}),
        ("/v1/events", body),
    ):
        answer = await ingest.http.post(path, json=content)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("kind", ["track", "page", "screen", "group", "identify", "alias"])
async def test_every_single_call_has_its_route(kind: str, ingest: Ingest) -> None:
    answer = await ingest.post(f"/v1/{kind}", content=call(type=..., groupId="a1", previousId="anon", name="Home"))
    assert answer.json()["accepted"] == 1


async def test_errors_are_such_that_no_sdk_retries(ingest: Ingest) -> None:
    """An error without `code` and `message` on top would be retried by rudder-sdk-python as if it were a 503."""
    answers = [
        await ingest.post("/v1/batch", content=b"{"),
        await ingest.post("/v1/batch", content=b"{}", headers={"content-encoding": "br"}),
        await ingest.post("/v1/batch", content=b"{}", headers={"content-encoding": "gzip"}),
        await ingest.post("/v1/events", content=b"{}", headers={"content-type": "text/plain"}),
        await ingest.post("/v1/nothing", content=b"{}"),
        await ingest.http.get("/v1/batch"),
        await ingest.http.put("/v1/events", content=b"{}"),
        await ingest.http.get("/v1/parked"),
        await ingest.http.get("/nothing"),
        await ingest.http.post("/v1/batch", content=b"{}", headers={"x-write-key": "kz_wrong"}),
        await ingest.http.patch("/v1/keys", headers=ingest.admin),
        await ingest.http.post("/v1/keys", content=b"{", headers=ingest.admin),
    ]
    assert [each.status_code for each in answers] == [400, 415, 400, 415, 404, 405, 405, 401, 404, 401, 405, 400]
    for answer in answers:
        assert {"code", "message"} <= set(answer.json())
