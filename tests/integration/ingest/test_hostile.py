"""Whatever is thrown at a route leads to a 4xx with code and message or to a refusal by name, never to a 5xx."""

import asyncio
import contextlib
import gzip
import json
import os
import zlib
from base64 import b64encode
from typing import Any

import psutil

from tests.plugins.ingest import Ingest
from tests.unit.ingest.recordings import call

DEEP = {depth: b"[" * depth + b"]" * depth for depth in (64, 900, 5000, 20_000)}
GARBAGE: list[Any] = [None, True, 7, -1, 1e308, "", "x", [], [[]], {}, {"": ""}]
BODIES = [
    b"",
    b" ",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{",
    b"}",
    b"{}{}",
    b"NaN",
    b'{"batch":NaN}',
    b'{"batch":[NaN,{},[],1,"x",null,true]}',
    b'{"batch":[{"type":"track","type":"zap"}],"batch":[{"type":"alias"}]}',
    b'{"batch":[{"messageId":"\\u0000\\ud800"}],"writeKey":"\\ud800","sentAt":"\\ud800"}',
    b'{"batch":[{"messageId":"' + b"x" * 300 + b'"}]}',
    b'"' * 100_000,
    b'{"a":' * 50_000,
    b"[" * 100_000,
    *DEEP.values(),
    *(b'{"batch":[%s]}' % deep for deep in DEEP.values()),
    *(b'{"batch":[{"type":"track","properties":%s}]}' % deep for deep in DEEP.values()),
    *(b'{"data":%s,"id":"1"}' % deep for deep in DEEP.values()),
    *(json.dumps(value).encode() for value in GARBAGE),
    *(json.dumps({"batch": value}).encode() for value in GARBAGE),
    *(json.dumps({"batch": [value]}).encode() for value in GARBAGE),
    *(call(**{field: value}) for field in ("type", "userId", "messageId", "context", "timestamp") for value in GARBAGE),
    *(call(type="group", **{field: value}) for field in ("groupId", "traits", "userId") for value in GARBAGE),
    *(b'{"batch":[%s]}' % call(**{field: value}) for field in ("event", "context", "properties") for value in GARBAGE),
]
ROUTES = ["/v1/batch", "/v1/track", "/v1/group", "/v1/events"]
KINDS = ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "a/b", "/"]


def is_named(answer: Any) -> bool:
    said = answer.json()
    if answer.status_code == 200:
        return bool(said["received"] == said["accepted"] + said["parked"] + len(said["rejected"]))
    return 400 <= answer.status_code < 500 and bool(said["code"]) and bool(said["message"])


async def test_no_body_breaks_a_route(ingest: Ingest) -> None:
    async def throw(route: str, kind: str, body: bytes) -> None:
        answer = await ingest.post(route, content=body, headers={"content-type": kind})
        assert is_named(answer), (route, kind, body[:100], answer.text)

    for body in BODIES:
        routes = [(route, KINDS[0]) for route in ROUTES] + [("/v1/events", kind) for kind in KINDS[1:]]
        await asyncio.gather(*(throw(route, kind, body) for route, kind in routes))
    assert (await ingest.post("/v1/track", content=call())).json()["accepted"] == 1


async def test_no_encoding_breaks_a_route(ingest: Ingest) -> None:
    whole = gzip.compress(call())
    junk = [b"", b"\x1f\x8b", whole[:-1], whole[:10], whole + b"x", zlib.compress(call()), os.urandom(100)]
    for body in junk:
        for encoding in ("gzip", "deflate", "zstd", "GZIP", "br", "gzip, gzip", "!"):
            answer = await ingest.post("/v1/track", content=body, headers={"content-encoding": encoding})
            assert is_named(answer), (encoding, body[:30], answer.text)


async def test_bombs_cost_no_memory(ingest: Ingest) -> None:
    bomb = gzip.compress(bytes(200_000_000), compresslevel=9)
    before = psutil.Process().memory_info().rss
    for _ in range(5):
        answer = await ingest.post("/v1/batch", content=bomb, headers={"content-encoding": "gzip"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert psutil.Process().memory_info().rss - before < 50_000_000


async def test_who_sends_nothing_takes_up_no_room(ingest: Ingest) -> None:
    url = ingest.http.base_url
    heads = (b"transfer-encoding: chunked", b"content-length: 4194304")
    async with contextlib.AsyncExitStack() as stack:
        for number in range(140):
            _, writer = await asyncio.open_connection(url.host, url.port)
            stack.callback(writer.close)
            writer.write(b"POST /v1/track HTTP/1.1\r\nhost: x\r\n%s\r\n\r\n" % heads[number % 2])
            await writer.drain()
        answer = await ingest.post("/v1/track", content=call())
        assert answer.status_code == 200, answer.text


async def test_no_header_breaks_a_route(ingest: Ingest) -> None:
    values = [b"", b"-", b"\xff", b"\xe9%FF", b"%", b"00-x", b"Basic", b"Basic !", b"Bearer", b"9" * 500, b"-1", b'"']
    names = [b"x-write-key", b"authorization", b"traceparent", b"ce-id", b"ce-", b"content-type", b"content-encoding"]
    for route in ("/v1/track", "/v1/events"):
        for name in names:
            for value in values:
                headers = {b"x-write-key": ingest.key.encode(), b"content-type": b"application/json", name: value}
                request = ingest.http.build_request("POST", route, content=call(), headers=list(headers.items()))
                answer = await ingest.http.send(request)
                assert is_named(answer), (route, name, value, answer.text)


async def test_no_query_breaks_the_api(ingest: Ingest) -> None:
    paths = ["/v1/parked", "/v1/dead-letters", "/v1/keys", "/v1/events/%00", "/v1/events/%ED%A0%80", "/v1/events/%FF"]
    cursors = [
        "x",
        "%00",
        "bnVsbA",
        "WzEsMl0",
        "WyJcdTAwMDAiLCIiXQ",
        "eyJhIjoxfQ",
        "MWU5OTk",
        "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk",
        *(b64encode(b"[" * depth + b"]" * depth).decode() for depth in (300, 600, 900, 1500)),
    ]
    queries = ["", "?limit=0", "?limit=x", "?reason=%00", "?source=%00", *(f"?cursor={cursor}" for cursor in cursors)]
    for path in paths:
        for query in queries:
            answer = await ingest.http.get(path + query, headers=ingest.admin)
            assert answer.status_code < 500, (path, query, answer.text)
    for wish in GARBAGE:
        for field in ("source", "name", "scopes"):
            answer = await ingest.http.post("/v1/keys", json={"source": "s", field: wish}, headers=ingest.admin)
            assert answer.status_code < 500, (field, wish, answer.text)
    answer = await ingest.http.post("/v1/keys", content=b'{"source":"s","name":"\\u0000\\ud800"}', headers=ingest.admin)
    assert answer.status_code < 500
    answer = await ingest.http.post("/v1/dead-letters/replay", json={"ids": [2**70]}, headers=ingest.admin)
    assert answer.status_code < 500
    assert (await ingest.http.delete("/v1/keys/%00", headers=ingest.admin)).status_code == 404
