"""Owns cutting a JSON array or object into its parts without decoding them.

Only for bodies that a decoder refuses as a whole: one event with NaN, half a surrogate pair or 5,000 levels must not
take its neighbours with it. Cutting needs brackets and strings alone, so it knows no recursion.
"""

from __future__ import annotations

import re
from typing import Final

from shared.errors import BadRequest

MOST_TOKENS: Final = 500_000
"""About 4 MiB of ordinary events; hostile bodies may not buy more than a moment of the processor."""

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# A string without an end takes the rest: tried anew from every quote in it, it would cost the square of its length.
_TOKEN = re.compile(_STRING[:-1] + rb'(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_KEY = re.compile(rb"\s*+(" + _STRING + rb")\s*+:\s*+", re.DOTALL)
_SPACE = b" \t\r\n"


def elements(raw: bytes) -> list[bytes]:
    """Return the elements of the JSON array `raw`, each as it stands. Raises BadRequest when it is not bracketed so."""
    return [part.strip(_SPACE) for part in _parts(raw, b"[]")]


def members(raw: bytes) -> dict[bytes, bytes]:
    """Return the values of the JSON object `raw` by their keys (as they stand, without quotes; the last one wins)."""
    found = {}
    for part in _parts(raw, b"{}"):
        key = _KEY.match(part)
        if key is None:
            raise _broken()
        found[key[1][1:-1]] = part[key.end() :].strip(_SPACE)
    return found


def _parts(raw: bytes, brackets: bytes) -> list[bytes]:
    raw = raw.strip(_SPACE)
    if raw[:1] != brackets[:1] or raw[-1:] != brackets[1:]:
        raise _broken()
    parts, start = [], 1
    for at in _commas(raw):
        parts.append(raw[start:at])
        start = at + 1
    last = raw[start:-1]
    return [*parts, last] if parts or last.strip(_SPACE) else []


def _commas(raw: bytes) -> list[int]:
    """Places of the commas between the outermost brackets, which must close at the end and not before."""
    depth, commas = 0, []
    for count, token in enumerate(_TOKEN.finditer(raw)):
        at = token.start()
        kind = raw[at]
        if kind in b"[{":
            depth += 1
        elif kind in b"]}":
            depth -= 1
            if depth == 0 and at != len(raw) - 1:
                raise _broken()
        elif depth == 1 and kind in b",":
            commas.append(at)
        if count >= MOST_TOKENS:
            raise _broken()
    if depth != 0:
        raise _broken()
    return commas


def _broken() -> BadRequest:
    return BadRequest("The body is not JSON: send one JSON document in UTF-8.", code="bad_json")
