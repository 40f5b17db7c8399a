"""Lists page by page: so many items, and an opaque cursor for where the next page begins."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Query

from shared.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST = 500
BIGINT = 2**63
"""Ids of rows lie below it; the database takes no greater number."""

Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many items")]


def page(items: Sequence[Any], limit: int, cursor_of: Callable[[Any], Any]) -> dict[str, Any]:
    """Return one page. Pass `limit + 1` items: one over the limit says that there are more."""
    shown = list(items[:limit])
    more = len(items) > limit
    return {"items": shown, "next_cursor": encode_cursor(cursor_of(shown[-1])) if more else None}


def encode_cursor(position: Any) -> str:
    """Return an opaque cursor for a JSON-encodable position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Any:
    """Return the position of a cursor (None without one). Raises BadRequest for anything that we did not hand out."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError, binascii.Error, msgspec.DecodeError):
        raise BadRequest("The cursor is not one of ours. Take next_cursor from the former page.") from None


def decode_number(cursor: str | None) -> int:
    """Return the number that a cursor of a numbered list stands for; 0 without one. Raises BadRequest."""
    found = decode_cursor(cursor)
    if found is None:
        return 0
    if isinstance(found, int) and 0 <= found < BIGINT:
        return found
    raise BadRequest("The cursor is not one of ours. Take next_cursor from the former page.")
