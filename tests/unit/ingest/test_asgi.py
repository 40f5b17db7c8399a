"""The hot routes answer for every outcome, also for those that nobody planned."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from starlette.types import Message, Scope

from services.ingest import asgi
from services.ingest.asgi import HotRoutes
from services.ingest.keys import KeyRing, WriteKey, digest_of, new_key
from services.ingest.origin import Answer, Origin
from shared.errors import NotReady
from tests.unit.ingest.recordings import RECEIVED, TRACE, call

SECRET, PUBLIC = new_key()


class Door:
    """An intake that notes what came and does as it was told."""

    def __init__(self) -> None:
        self.taken: list[tuple[Origin, list[bytes]]] = []
        self.trouble: Exception | None = None

    async def take(self, origin: Origin, raws: list[bytes], known: Any) -> Answer:
        if self.trouble:
            raise self.trouble
        self.taken.append((origin, list(raws)))
        return Answer(success=True, received=len(raws), accepted=len(raws), parked=0, rejected=[])


async def rest(scope: Scope, receive: Any, send: Any) -> None:
    await send({"type": "rest", "path": scope.get("path"), "kind": scope["type"]})


async def nobody(_: Message) -> None:
    pass


async def keys() -> list[WriteKey]:
    return [WriteKey(PUBLIC, digest_of(SECRET), "shop", frozenset({"write"}))]


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def routes(door: Door) -> HotRoutes:
    ring = KeyRing(keys)
    await ring.renew()
    intake: Any = door
    return HotRoutes(intake, ring, rest, lambda: RECEIVED)


async def ask(routes: HotRoutes, path: str, *bodies: bytes, method: str = "POST", **headers: str) -> list[Message]:
    sent: list[Message] = []
    incoming = iter([*({"type": "http.request", "body": body, "more_body": True} for body in bodies)])

    async def receive() -> Message:
        return next(incoming, {"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"x-write-key": SECRET, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in given.items() if value]
    await routes({"type": "http", "path": path, "method": method, "headers": raw}, receive, send)
    return sent


async def test_a_request_becomes_its_events(routes: HotRoutes, door: Door) -> None:
    start, content = await ask(routes, "/v1/track", call()[:5], call()[5:], traceparent=TRACE)
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-length"] == str(len(content["body"])).encode()
    assert json.loads(content["body"])["accepted"] == 1
    assert door.taken == [(Origin("track", "shop", RECEIVED, TRACE), [call()])]


async def test_what_nobody_planned_is_a_500_that_tells_nothing(routes: HotRoutes, door: Door) -> None:
    door.trouble = RuntimeError("secret")
    start, content = await ask(routes, "/v1/track", call())
    assert start["status"] == 500
    assert json.loads(content["body"])["code"] == "internal_error"
    assert b"secret" not in content["body"]


async def test_trouble_says_when_to_come_again(routes: HotRoutes, door: Door) -> None:
    door.trouble = NotReady("later", retry_after=3)
    start, content = await ask(routes, "/v1/batch", b'{"batch":[]}')
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"3")
    assert json.loads(content["body"]) == {"code": "not_ready", "message": "later"}


async def test_bodies_under_way_are_bounded(routes: HotRoutes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODIES_BYTES", 1000)
    zipped = gzip.compress(bytes(2000))
    for pieces, encoding in (((bytes(1001),), ""), ((bytes(501), bytes(500)), ""), ((zipped,), "gzip")):
        start, content = await ask(routes, "/v1/track", *pieces, content_encoding=encoding)
        assert (start["status"], json.loads(content["body"])["code"]) == (503, "overloaded")
        assert routes._under_way == 0
    start, _ = await ask(routes, "/v1/track", call(), content_length=str(len(call())))
    assert start["status"] == 200
    assert routes._under_way == 0


async def test_only_what_arrived_takes_up_room(routes: HotRoutes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODIES_BYTES", 1000)
    gone = asyncio.Event()

    async def stop_short(begun: bytes, **headers: bytes) -> None:
        begin = iter([{"type": "http.request", "body": begun, "more_body": True}])

        async def receive() -> Message:
            for message in begin:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        raw = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
        await routes({"type": "http", "path": "/v1/track", "method": "POST", "headers": raw}, receive, nobody)

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(stop_short(b""))
            group.create_task(stop_short(b"", content_length=b"4194304"))
        group.create_task(stop_short(bytes(850)))
        await asyncio.sleep(0)
        assert (await ask(routes, "/v1/track", call()))[0]["status"] == 200
        start, content = await ask(routes, "/v1/track", call(), b" " * 100)
        assert (start["status"], json.loads(content["body"])["code"]) == (503, "overloaded")
        gone.set()
    assert routes._under_way == 0


async def test_a_request_is_judged_by_its_key_before_its_body(routes: HotRoutes) -> None:
    start, _ = await ask(routes, "/v1/track", b"x", x_write_key="kz_wrong", content_length="99999999")
    assert start["status"] == 401
    assert b"www-authenticate" in dict(start["headers"])
    start, _ = await ask(routes, "/v1/track", b"x", content_length="99999999")
    assert start["status"] == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_told_which_to_use(method: str, routes: HotRoutes) -> None:
    start, content = await ask(routes, "/v1/events", method=method)
    assert (start["status"], dict(start["headers"])[b"allow"]) == (405, b"POST")
    assert json.loads(content["body"])["code"] == "method_not_allowed"


async def test_everything_else_goes_on_without_the_slash(routes: HotRoutes) -> None:
    assert await ask(routes, "/v1/parked/", method="GET") == [{"type": "rest", "path": "/v1/parked", "kind": "http"}]
    assert await ask(routes, "//", method="GET") == [{"type": "rest", "path": "/", "kind": "http"}]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {}

    await routes({"type": "lifespan"}, receive, send)
    assert sent[0]["kind"] == "lifespan"
