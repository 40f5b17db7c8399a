"""Owns how requests and answers pass: what a head may take, and that an answer's head and body go out together.

Two system calls for a small answer, and waking the client twice, cost more than all else that HTTP does here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

HEAD_SECONDS = 20.0
"""So long may a client take for a request's head, the first one from its connecting on."""
HEAD_BYTES: Final = 512 * 1024
"""More than one read of the socket, which may also hold the end of the body before it."""
CONTINUE = b"HTTP/1.1 100"
WHOLE = "kizuna.whole"


class OneWriteProtocol(HttpToolsProtocol):
    """Uvicorn's protocol over a transport that puts head and body together."""

    _in_head = False
    _head_bytes = 0
    _impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin with a connection."""
        self._joining = Joining(transport)
        super().connection_made(self._joining)  # type: ignore[arg-type]  # it offers all that is used of a transport
        self._wait(transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """End with it."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came. A head that gets too long, or is not complete in time, is not waited for."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.close()
            elif self._impatience is None:
                self._wait(self.transport.close)
        elif self._impatience is not None:
            self._wait(None)

    def on_message_begin(self) -> None:
        """Begin with a request."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body in chunks is none, though the parser calls it the same."""
        if self._in_head:
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        """Say that the body is whole: who reads it then need not guard against a client that stops half-way."""
        self.scope[WHOLE] = True  # type: ignore[literal-required]  # a key of ours
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Take what is written next for the head of an answer: uvicorn writes it alone, and then at least one body.

        Not so to HEAD: there the head is all that is ever written.
        """
        self._in_head = False
        self._joining.expects_head = self.parser.get_method() != b"HEAD"
        super().on_headers_complete()

    def _wait(self, give_up: Callable[[], None] | None) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
        self._impatience = self.loop.call_later(HEAD_SECONDS, give_up) if give_up else None


class Joining:
    """A transport that holds back the first write after `expects_head` was set until there is another, or an end."""

    __slots__ = ("_head", "_transport", "expects_head", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.expects_head = False
        self.is_closing = transport.is_closing
        self._head = b""
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Write, or hold back."""
        if self._head:
            data, self._head = self._head + data, b""
        elif self.expects_head and not data.startswith(CONTINUE):
            self.expects_head = False
            self._head = data
            return
        self._transport.write(data)

    def close(self) -> None:
        """Let go of what is held back and close."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Return what else a transport has."""
        return getattr(self._transport, name)
