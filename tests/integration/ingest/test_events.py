"""CloudEvents in their three modes and as plain JSON, as the CloudEvents SDK writes them and with every type."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from services.ingest.items import OPEN_TOPICS
from shared.events import TYPES
from tests.plugins.ingest import Ingest
from tests.plugins.topics import ReadTopic

TICKET = {
    "specversion": "1.0",
    "id": "e1",
    "source": "desk",
    "type": "kizuna.ticket.closed",
    "subject": "a1",
    "data": {"ticket_id": "t1"},
}
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


async def test_the_modes_are_one_event_each(ingest: Ingest, read_topic: ReadTopic) -> None:
    time = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
    for mode, write in (("binary", to_binary_event), ("structured", to_structured_event)):
        attributes: dict[str, Any] = {
            **TICKET,
            "id": mode,
            "subject": "日本 & 1",
            "time": time,
            "datacontenttype": "application/json",
        }
        data = attributes.pop("data")
        message = write(CloudEvent(attributes, data))
        answer = await ingest.post("/v1/events", content=message.body, headers=message.headers)
        assert answer.json() == {"success": True, "received": 1, "accepted": 1, "parked": 0, "rejected": []}
    for mode, headers in (("batch", BATCH), ("plain", {"content-type": "application/json"})):
        events = [TICKET | {"id": mode, "subject": "日本 & 1", "time": time.isoformat()}]
        answer = await ingest.post("/v1/events/", content=json.dumps(events), headers=headers)
        assert answer.json()["accepted"] == 1
    found = await read_topic("customer.v1", 4)
    assert {event.id for event in found} == {"binary", "structured", "batch", "plain"}
    assert {(event.subject, event.source, event.time) for event in found} == {("日本 & 1", "desk", time)}


async def test_every_type_of_the_outside_world_arrives(ingest: Ingest, read_topic: ReadTopic) -> None:
    kinds = [kind for kind in TYPES.values() if kind.topic in OPEN_TOPICS]
    events = [json.loads(kind.example.read_text(encoding="utf-8")) for kind in kinds]
    for event in events:
        event["time"] = datetime.now(UTC).isoformat()
    answer = await ingest.post("/v1/events", json=events)
    assert answer.json()["rejected"] == []
    for topic in OPEN_TOPICS:
        expected = {kind.name for kind in kinds if kind.topic == topic}
        assert {event.type for event in await read_topic(topic, len(expected))} == expected


async def test_history_goes_to_its_own_topic(ingest: Ingest, read_topic: ReadTopic) -> None:
    answer = await ingest.post("/v1/events", json=[TICKET | {"backfill": True}])
    assert answer.json()["accepted"] == 1
    [event] = await read_topic("backfill.v1", 1)
    assert (event.id, event.backfill) == ("e1", True)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "wrong_type"),
    ({"id": ""}, "bad_value"),
    ({"type": "kizuna.from.tomorrow"}, "unknown_type"),
    ({"specversion": "0.3"}, "bad_specversion"),
    ({"data": {}}, "missing_field"),
    ({"time": "2199-01-01T00:00:00Z"}, "time_in_future"),
    ({"subject": "a\0"}, "nul"),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED)
async def test_a_single_refused_event_is_a_bad_request(fields: dict[str, Any], code: str, ingest: Ingest) -> None:
    body = json.dumps(TICKET | fields)
    answer = await ingest.post("/v1/events", content=body, headers=STRUCTURED)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    answer = await ingest.post("/v1/events", content=f"[{body},{json.dumps(TICKET)}]", headers=BATCH)
    said = answer.json()
    assert (answer.status_code, said["accepted"]) == (200, 1)
    assert [(why["index"], why["code"]) for why in said["rejected"]] == [(0, code)]
    assert len((await ingest.get(f"/v1/dead-letters?reason={code}"))["items"]) == 1


async def test_only_keys_with_that_scope_may_say_when_it_was_learned(ingest: Ingest, read_topic: ReadTopic) -> None:
    key = (await ingest.new_key(scopes=["write", "backdate"]))["key"]
    said = TICKET | {"recordedtime": "2020-01-01T00:00:00Z"}
    await ingest.post("/v1/events", json=said)
    await ingest.post("/v1/events", json=said | {"id": "e2"}, headers={"x-write-key": key})
    years = {event.id: event.recordedtime.year for event in await read_topic("customer.v1", 2)}
    assert years["e2"] == 2020
    assert years["e1"] >= 2026


async def test_the_trace_goes_along(ingest: Ingest, read_topic: ReadTopic) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await ingest.post("/v1/events", json=TICKET, headers={"traceparent": trace})
    assert [event.traceparent for event in await read_topic("customer.v1", 1)] == [trace]


async def test_a_sender_may_ask_whether_it_may_deliver(ingest: Ingest) -> None:
    answer = await ingest.http.options("/v1/events", headers={"webhook-request-origin": "events.example.com"})
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "events.example.com"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert "POST" in (await ingest.http.options("/v1/events")).headers["allow"]


async def test_unknown_fields_are_kept(ingest: Ingest, read_topic: ReadTopic) -> None:
    await ingest.post("/v1/events", json=TICKET | {"weather": "sunny"})
    assert len(await read_topic("customer.v1", 1)) == 1


async def test_what_tomorrow_understands_can_be_replayed(ingest: Ingest, read_topic: ReadTopic) -> None:
    """A refused event stays refused when tried again in vain, and arrives once what it lacked is there."""
    await ingest.post("/v1/events", json=[TICKET | {"type": "kizuna.from.tomorrow"}])
    replay = {"reason": "unknown_type"}
    answer = await ingest.http.post("/v1/dead-letters/replay", json=replay, headers=ingest.admin)
    assert answer.json() == {"replayed": 0, "still_refused": {"unknown_type": 1}}
    [letter] = (await ingest.get("/v1/dead-letters"))["items"]
    assert letter["replayed_at"] is None
    assert (await ingest.get("/v1/events/e1?source=test"))["code"] == "unknown_type"
