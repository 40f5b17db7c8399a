"""Owns what holds for an event's bytes as a whole: how many, good JSON throughout, no NUL, not too deep."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from shared.errors import BadEvent
from shared.events.refusal import refusal

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 64


def check_bytes(raw: bytes, most: int = MAX_BYTES) -> None:
    """Check what holds for every part of a JSON text, known or free, by decoding all of it. Raises BadEvent."""
    if len(raw) > most:
        raise BadEvent("too_large", f"the event has {len(raw)} bytes: at most {MAX_BYTES} are allowed")
    if raw.find(b"\\u0000") >= 0 and _ESCAPED_NUL.search(raw):
        raise BadEvent("nul", "the event holds a NUL character: remove it")
    whole = _whole(raw)
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _is_deep(whole):
        raise BadEvent("too_deep", f"the event is nested too deep: at most {MAX_DEPTH} levels are allowed")


def _whole(raw: bytes) -> object:
    try:
        return _WHOLE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if b"\0" in raw:
            raise BadEvent("nul", "the event holds a NUL character: remove it") from None
        if "truncated" in str(error) and not raw.endswith(_PADDING):
            return _whole(raw + _PADDING)
        raise refusal(error) from None


def _is_deep(whole: object) -> bool:
    level = [whole]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
    return bool(level)


def _children(container: Any) -> Iterable[object]:
    return container.values() if isinstance(container, dict) else container


_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_PADDING = b" " * 12  # the decoder looks that far ahead before it tells half of a surrogate pair from a cut-off text
_WHOLE: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
