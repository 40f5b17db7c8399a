"""Owns how a request's body gets in: read bounded on the wire, inflated bounded, never later than its time.

A client that lies about Content-Length, sends a gzip bomb or stops half-way costs `MOST_BYTES` and `READ_SECONDS`.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

import cramjam

from shared.errors import BadRequest, KizunaError, TooLarge, UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive

MOST_BYTES: Final = 4 * 1024 * 1024
READ_SECONDS: Final = 20.0
MOST_MEMBERS: Final = 16
"""Of one gzip body: each member costs a copy of all that follow it, and nobody sends more than a few."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_DEFLATED: Final = 8


class SlowBody(KizunaError):
    """The body did not arrive in time; sending it again may go better."""

    status = 408
    code = "body_timeout"
    retry_after = 1


class Disconnected(Exception):
    """The client went away in the middle of its body: there is nobody to answer."""


async def read(
    receive: Receive, length: bytes | None, hold: Callable[[int], None], seconds: float | None = READ_SECONDS
) -> bytes:
    """Return the whole body as it came over the wire. `length` is the Content-Length header, if there was one.

    `hold` is told the size of every piece that arrived, and may raise to have no more of it.
    Without `seconds`, which cost as much as all else here, it must have arrived already.
    Raises TooLarge over `MOST_BYTES` (by header or by count), SlowBody after `seconds`, Disconnected when cut off.
    """
    if length is not None and length.isdigit() and int(length[:20]) > MOST_BYTES:
        raise _too_large()
    if seconds is None:
        return await _read(receive, hold)
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, hold)
    except TimeoutError:
        raise SlowBody(f"The body was not complete after {seconds:.0f} s: send it again, or smaller.") from None


def inflate(body: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding: identity, gzip, deflate or zstd.

    Raises UnsupportedMedia for another one, TooLarge when the result exceeds `MOST_BYTES`, BadRequest when damaged.
    """
    name = encoding.strip().lower()
    inflater = _INFLATERS.get(name)
    if inflater is None:
        raise UnsupportedMedia(f"Content-Encoding {name[:50]!r} is not read here: use gzip, deflate, zstd or none.")
    return inflater(body)


async def _read(receive: Receive, hold: Callable[[int], None]) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MOST_BYTES:
            raise _too_large()
        hold(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _too_large() -> TooLarge:
    return TooLarge(f"A request may have at most {MOST_BYTES} bytes, on the wire and inflated: send smaller batches.")


def _gunzip(body: bytes) -> bytes:
    parts: list[bytes] = []
    left = MOST_BYTES
    for _ in range(MOST_MEMBERS):
        part, body = _unzip(body, _GZIP, left)
        left -= len(part)
        parts.append(part)
        if not body:
            return b"".join(parts)
    raise BadRequest(f"The gzip body has more than {MOST_MEMBERS} members: compress it as one.", code="bad_encoding")


def _undeflate(body: bytes) -> bytes:
    # HTTP's "deflate" means zlib, but some clients send the bare stream; the first nibble tells them apart.
    has_header = len(body) > 1 and body[0] & 0x0F == _DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
    part, rest = _unzip(body, zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS, MOST_BYTES)
    if rest:
        raise BadRequest("The deflated body goes on after its end: send one stream.", code="bad_encoding")
    return part


def _unzip(body: bytes, window: int, most: int) -> tuple[bytes, bytes]:
    stream = zlib.decompressobj(window)
    try:
        part = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise _damaged(error) from None
    if len(part) > most:
        raise _too_large()
    if not stream.eof:
        raise _damaged("it is cut off")
    return part, stream.unused_data


def _unzstd(body: bytes) -> bytes:
    room = bytearray(MOST_BYTES + 1)
    try:
        size = cramjam.zstd.decompress_into(body, room)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            raise _too_large() from None
        raise _damaged(error) from None
    if size > MOST_BYTES:
        raise _too_large()
    return bytes(memoryview(room)[:size])


def _damaged(reason: object) -> BadRequest:
    return BadRequest(f"The compressed body is damaged ({reason}): compress it again.", code="bad_encoding")


_INFLATERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "": bytes,
    "identity": bytes,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "zstd": _unzstd,
}
