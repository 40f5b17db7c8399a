"""Owns what can be done with the bytes of an event that may be none: name it, date it anew, tell it from others."""

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

RECEIPT: Final = "recordedtime"
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder()


class _Named(msgspec.Struct):
    id: Any = None
    source: Any = None
    subject: Any = None


_NAMED: Final = msgspec.json.Decoder(_Named)


def named_in(raw: bytes) -> dict[str, str]:
    """Return `id`, `source` and `subject` as far as they can be read and are texts."""
    try:
        named = msgspec.structs.asdict(_NAMED.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {name: value[:255] for name, value in named.items() if isinstance(value, str)}


def known_since(raw: bytes, moment: datetime) -> bytes:
    """Return the event as received at `moment`, all else untouched; what is no JSON object stays as it is."""
    fields = _fields(raw)
    return raw if fields is None else _ENCODER.encode({**fields, RECEIPT: moment})


def identity(key: bytes | None, raw: bytes | None) -> str:
    """Return what is equal for two records with the same key and the same event, whenever they were received."""
    fields = None if raw is None else _fields(raw)
    if fields is not None:
        fields.pop(RECEIPT, None)
        raw = _ENCODER.encode(fields)
    return blake2b(repr((key, raw)).encode(), digest_size=16).hexdigest()


def _fields(raw: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _FIELDS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
