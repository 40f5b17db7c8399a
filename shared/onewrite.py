"""Owns how requests and answers pass: an answer's head waits for its body, and both go out by one system call, not two.

For a small answer the second call, and waking the client twice, costs more than all else that HTTP does here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

CONTINUE = b"HTTP/1.1 100"
WHOLE = "kizuna.whole"


class OneWriteProtocol(HttpToolsProtocol):
    """Uvicorn's protocol over a transport that puts head and body together."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin with a connection."""
        self._joining = Joining(transport)
        super().connection_made(self._joining)  # type: ignore[arg-type]  # it offers all that is used of a transport

    def on_message_complete(self) -> None:
        """Say that the body is whole: who reads it then need not guard against a client that stops half-way."""
        self.scope[WHOLE] = True  # type: ignore[literal-required]  # a key of ours
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Take what is written next for the head of an answer: uvicorn writes it alone, and then at least one body.

        Not so to HEAD: there the head is all that is ever written.
        """
        self._joining.expects_head = self.parser.get_method() != b"HEAD"
        super().on_headers_complete()


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
