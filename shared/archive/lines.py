"""How a record becomes a line of JSON and back, byte for byte, and how lines become zstd frames.

A file is a series of zstd frames of lines, so `zstdcat` and `jq` read it. Bytes that are UTF-8 stand as text, all
others as `{"base64": …}`; what is absent is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cramjam
import msgspec

from shared.kafka import Polled

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 3


class _Coded(msgspec.Struct, frozen=True):
    base64: bytes


_Said: TypeAlias = str | _Coded | None


class _Line(msgspec.Struct, frozen=True):
    """One record; the names are the format, so they stay."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: _Said
    value: _Said
    headers: tuple[tuple[str, _Said], ...] = ()


class Damaged(Exception):
    """A file of the archive is not what was written."""


def line_of(record: Polled) -> bytes:
    """Return a record as a line, newline included."""
    headers = tuple((name, _said(value)) for name, value in record.headers)
    key, value = _said(record.key), _said(record.value)
    line = _Line(record.topic, record.partition, record.offset, record.timestamp_ms, key, value, headers)
    return _ENCODER.encode(line) + b"\n"


def frame_of(lines: Sequence[bytes]) -> bytes:
    """Return lines as one compressed frame; a file is any number of them, one after the other."""
    return bytes(cramjam.zstd.compress(b"".join(lines), level=LEVEL))


def records_of(data: bytes) -> list[Polled]:
    """Return the records of a file. Raises `Damaged` when it cannot be read to its end."""
    try:
        lines = _DECODER.decode_lines(bytes(cramjam.zstd.decompress(data)))
    except (cramjam.DecompressionError, msgspec.DecodeError) as error:
        raise Damaged(str(error)) from error
    if not lines:
        raise Damaged("there is nothing in it")
    return [
        Polled(
            line.topic,
            line.partition,
            line.offset,
            _bytes(line.key),
            _bytes(line.value),
            tuple((name, _bytes(value)) for name, value in line.headers),  # type: ignore[misc]  # a header may be null
            line.timestamp,
        )
        for line in lines
    ]


def _said(value: bytes | None) -> _Said:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _Coded(bytes(value))


def _bytes(said: _Said) -> bytes | None:
    if isinstance(said, str):
        return said.encode()
    return None if said is None else said.base64


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Line)
