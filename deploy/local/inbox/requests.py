"""Owns how a request to the Slack stand-in is read: who sent it, and its arguments, however they are encoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_BYTES: Final = 1024 * 1024
FORM_ONLY: Final = frozenset({"users.lookupByEmail"})
"""Methods whose reference says that they do not read JSON."""


class SlackError(Exception):
    """An answer with `ok: false`. `messages` says what was wrong where."""

    def __init__(self, error: str, *messages: str) -> None:
        super().__init__(error)
        self.error = error
        self.messages = list(messages)


def require_bot(request: Request) -> None:
    """Check the bearer token. Raises SlackError(`not_authed` or `invalid_auth`)."""
    header = request.headers.get("authorization")
    if header is None:
        raise SlackError("not_authed")
    if not re.fullmatch(r"(?i:bearer) xoxb-[A-Za-z0-9-]+", header):
        raise SlackError("invalid_auth")


async def arguments(request: Request, method: str) -> dict[str, Any]:
    """Return the method's arguments out of the query, a form or a JSON object."""
    query = dict(request.query_params)
    body = await _body(request)
    if request.method == "GET" or not body:
        return query
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return query | _form(body)
    if kind != "application/json":
        raise SlackError("invalid_post_type", f"[ERROR] cannot read {kind or 'a body without content type'}")
    if method in FORM_ONLY:
        raise SlackError("invalid_arguments", f"[ERROR] {method} does not read JSON: send a form or a query")
    return query | _json(body)


def truthy(value: Any) -> bool:
    """Whether an argument says yes, as JSON or in a form."""
    return value is True or str(value).lower() in {"true", "1"}


def embedded(value: Any, error: str) -> Any:
    """Return an argument that is JSON, or JSON within a form's text. Raises SlackError(`error`)."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise SlackError(error, f"[ERROR] {problem}") from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise SlackError("request_too_large")
    return bytes(body)


def _form(body: bytes) -> dict[str, Any]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        raise SlackError("invalid_form_data") from None


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise SlackError("invalid_json", f"[ERROR] {problem}") from None
    if not isinstance(found, dict):
        raise SlackError("json_not_object")
    return found
