"""An answer leaves by one write, and nothing is held back for longer than its body takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from deploy.local.ports import HOST, free_port
from shared.onewrite import Joining
from shared.service import http_part

HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"{}"


class Wire:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def joining(wire: Any) -> Joining:
    return Joining(wire)


def test_head_and_body_leave_together(joining: Joining, wire: Wire) -> None:
    for _ in range(2):
        joining.expects_head = True
        joining.write(HEAD)
        joining.write(BODY)
    assert wire.done == [HEAD + BODY] * 2


def test_the_pieces_of_a_long_body_leave_as_they_come(joining: Joining, wire: Wire) -> None:
    joining.expects_head = True
    for data in (HEAD, b"{", b"HTTP/1.1 200", b"}"):
        joining.write(data)
    assert wire.done == [HEAD + b"{", b"HTTP/1.1 200", b"}"]


def test_an_invitation_to_send_the_body_does_not_wait(joining: Joining, wire: Wire) -> None:
    joining.expects_head = True
    joining.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(wire.done) == 1
    joining.write(HEAD)
    joining.write(BODY)
    assert wire.done[1:] == [HEAD + BODY]


def test_what_is_held_back_leaves_before_the_end(joining: Joining, wire: Wire) -> None:
    joining.expects_head = True
    joining.write(HEAD)
    assert not joining.is_closing()
    joining.close()
    assert wire.done == [HEAD, "closed"]
    assert joining.is_closing()
    assert joining.get_extra_info("peer") == "the peer"


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """An application that says the same to everybody."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": BODY})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    port, stop = free_port(), asyncio.Event()
    serving = asyncio.ensure_future(http_part(answers, HOST, port, "A_PORT").run(stop))
    yield port
    stop.set()
    await serving


async def test_who_asks_for_the_head_alone_does_not_wait_for_a_body(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=30) as client:
        for method in ("HEAD", "GET", "HEAD"):
            assert (await client.request(method, "/")).content == (b"" if method == "HEAD" else BODY)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nhost: a\r\n", b"GET / HTTP/1.1\r\n\r\nGET"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr("shared.onewrite.HEAD_SECONDS", 0.5)
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(begun)
    async with asyncio.timeout(10):
        answer = await reader.read()
    assert answer.count(b"200 OK") == begun.count(b"\r\n\r\n")
    writer.close()


async def test_a_body_that_comes_later_is_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.onewrite.HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n")
    await asyncio.sleep(0.5)
    writer.write(b"{}GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
    async with asyncio.timeout(10):
        assert (await reader.read()).count(b"200 OK") == 2
    writer.close()


@pytest.mark.parametrize("head", [b"a: b\r\n" * 200_000, b"a: " + b"b" * 2_000_000])
async def test_a_head_without_end_is_cut_off(port: int, head: bytes) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET / HTTP/1.1\r\n" + head)
    with suppress(ConnectionError):
        async with asyncio.timeout(30):
            assert await reader.read() == b""
    writer.close()


async def test_a_trailer_is_no_header() -> None:
    heard = list[Any]()
    port, stop = free_port(), asyncio.Event()

    async def hears(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        heard.extend(scope["headers"])
        await answers(scope, receive, send)

    serving = asyncio.ensure_future(http_part(hears, HOST, port, "A_PORT").run(stop))
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"POST / HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
    writer.write(b"2\r\n{}\r\n0\r\nauthorization: Bearer x\r\n\r\n")
    assert b"200 OK" in await reader.read()
    writer.close()
    stop.set()
    await serving
    assert [name for name, _ in heard] == [b"connection", b"transfer-encoding"]
