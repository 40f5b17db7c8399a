"""An answer leaves by one write, and nothing is held back for longer than its body takes."""

import asyncio
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


async def test_who_asks_for_the_head_alone_does_not_wait_for_a_body() -> None:
    port, stop = free_port(), asyncio.Event()
    serving = asyncio.ensure_future(http_part(answers, HOST, port, "A_PORT").run(stop))
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=30) as client:
        for method in ("HEAD", "GET", "HEAD"):
            assert (await client.request(method, "/")).content == (b"" if method == "HEAD" else BODY)
    stop.set()
    await serving
