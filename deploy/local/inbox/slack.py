"""Owns the Slack stand-in: those Web API methods that alerts may use, as strict as the real ones."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.inbox.blockkit import faults_of, too_long
from deploy.local.inbox.mailbox import Message
from deploy.local.inbox.requests import SlackError, arguments, embedded, require_bot, truthy

if TYPE_CHECKING:
    from starlette.requests import Request

    from deploy.local.inbox.mailbox import Faults, Mailbox
    from deploy.local.inbox.pace import Pace

MOST_TEXT: Final = 40_000
MOST_HISTORY: Final = 999
HANG_SECONDS: Final = 60.0
BOT: Final = {"user": "U0KIZUNA0", "bot_id": "B0KIZUNA0"}
TEAM: Final = {"team": "Local inbox", "team_id": "T0KIZUNA0"}


class Slack:
    """Answers the Web API. Faults are taken by the methods that write (`chat.…`), one per request."""

    def __init__(self, mailbox: Mailbox, faults: Faults, pace: Pace) -> None:
        self._mailbox = mailbox
        self._faults = faults
        self._pace = pace
        self._last_ts = 0
        self._methods = {
            "auth.test": self._auth_test,
            "users.lookupByEmail": self._lookup,
            "conversations.open": self._open,
            "conversations.history": self._history,
            "chat.postMessage": self._post,
            "chat.update": self._update,
        }

    def routes(self) -> list[Route]:
        """Return the routes of the Web API."""
        return [Route("/api/{method}", self._call, methods=["GET", "POST"])]

    async def _call(self, request: Request) -> Response:
        try:
            return await self._answer(request, request.path_params["method"])
        except SlackError as refusal:
            extra = {"response_metadata": {"messages": refusal.messages}} if refusal.messages else {}
            return JSONResponse({"ok": False, "error": refusal.error, **extra})

    async def _answer(self, request: Request, name: str) -> Response:
        if name not in self._methods:
            raise SlackError("unknown_method")
        require_bot(request)
        given = await arguments(request, name)
        if name.startswith("chat."):
            return await self._write(request, name, given)
        return JSONResponse({"ok": True, **self._methods[name](given)})

    async def _write(self, request: Request, name: str, given: dict[str, Any]) -> Response:
        fault = self._faults.take("slack")
        if fault in {"hang", "reset"}:
            return await _vanish(request, after=HANG_SECONDS if fault == "hang" else 0)
        if fault is not None and fault.startswith("error:"):
            raise SlackError(fault.removeprefix("error:"))
        channel_id = _channel_id(given.get("channel"))
        if fault is not None and fault[0].isdigit():
            return self._scripted(fault, channel_id)
        if name == "chat.postMessage":
            seconds = self._pace.wait(channel_id, time.monotonic())
            if seconds is not None:
                return _rate_limited(seconds)
        answer = JSONResponse({"ok": True, **self._methods[name](given)})
        return await _vanish(request) if fault == "reset_after_accept" else answer

    def _scripted(self, fault: str, channel_id: str) -> Response:
        status, _, seconds = fault.partition(":")
        if status != "429":
            return Response("scripted fault", status_code=int(status))
        self._pace.close(channel_id, time.monotonic(), int(seconds or 1))
        return _rate_limited(int(seconds or 1))

    def _post(self, given: dict[str, Any]) -> dict[str, Any]:
        content, metadata = _content(given), _metadata(given)
        channel_id, ts = _channel_id(given["channel"]), self._next_ts()
        message = Message(
            channel="slack",
            to=given["channel"],
            received_at=datetime.now(UTC),
            text=content["text"],
            account_ids=_accounts(metadata["event_payload"]) if metadata else (),
            body={"blocks": content["blocks"], "channel_id": channel_id, "ts": ts, "metadata": metadata},
        )
        self._mailbox.add(message)
        return {"channel": channel_id, "ts": ts, "message": _as_slack(message, with_metadata=True)}

    def _update(self, given: dict[str, Any]) -> dict[str, Any]:
        content = _content(given)
        channel_id = _channel_id(given["channel"])
        found = next((m for m in self._mailbox.posted(channel_id) if m.body["ts"] == given.get("ts")), None)
        if found is None:
            raise SlackError("message_not_found")
        found.text = content["text"]
        found.body |= {"blocks": content["blocks"], "edited_at": datetime.now(UTC).isoformat()}
        if "metadata" in given:
            found.body["metadata"] = _metadata(given)
        self._mailbox.changed()
        return {
            "channel": channel_id,
            "ts": found.body["ts"],
            "text": found.text,
            "message": _as_slack(found, with_metadata=True),
        }

    def _history(self, given: dict[str, Any]) -> dict[str, Any]:
        channel_id = given.get("channel")
        if not isinstance(channel_id, str) or not re.fullmatch(r"[CDG][A-Z0-9]{2,}", channel_id):
            raise SlackError("channel_not_found")
        bounds = _Bounds(given)
        messages = [m for m in reversed(self._mailbox.posted(channel_id)) if bounds.hold(m.body["ts"])]
        with_metadata = truthy(given.get("include_all_metadata"))
        shown = [_as_slack(message, with_metadata=with_metadata) for message in messages[: bounds.limit]]
        return {"messages": shown, "has_more": len(messages) > bounds.limit}

    def _open(self, given: dict[str, Any]) -> dict[str, Any]:
        users = given.get("users")
        if not isinstance(users, str) or not users:
            raise SlackError("users_list_not_supplied")
        if not all(re.fullmatch(_USER, user) for user in users.split(",")):
            raise SlackError("user_not_found")
        return {"channel": {"id": _channel_id(users) if "," not in users else _id("G", users)}}

    def _lookup(self, given: dict[str, Any]) -> dict[str, Any]:
        email = given.get("email")
        if not isinstance(email, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+", email) or email.startswith("nobody@"):
            raise SlackError("users_not_found")
        user = {"id": _id("U", email.lower()), "name": email.partition("@")[0], "profile": {"email": email}}
        return {"user": {"team_id": TEAM["team_id"], "deleted": False, **user}}

    def _auth_test(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"url": "https://local-inbox.example/", **TEAM, "user_id": BOT["user"], "user": "kizuna", **_BOT_ID}

    def _next_ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        seconds, micros = divmod(self._last_ts, 1_000_000)
        return f"{seconds}.{micros:06}"


class _Bounds:
    """What part of a conversation is asked for; `ts` texts of equal length compare like the times they name."""

    def __init__(self, given: dict[str, Any]) -> None:
        try:
            self.limit = int(given.get("limit", 100))
            self._oldest, self._latest = float(given.get("oldest", 0)), float(given.get("latest", "inf"))
        except (TypeError, ValueError):
            raise SlackError("invalid_arguments", "[ERROR] limit, oldest and latest must be numbers") from None
        if not 1 <= self.limit <= MOST_HISTORY:
            raise SlackError("invalid_limit")
        self._inclusive = truthy(given.get("inclusive"))

    def hold(self, ts: str) -> bool:
        at = float(ts)
        return self._oldest < at < self._latest or (self._inclusive and at in {self._oldest, self._latest})


def _content(given: dict[str, Any]) -> dict[str, Any]:
    text = given.get("text")
    if not isinstance(text, str) or not text.strip():
        raise SlackError("no_text", "[ERROR] text is what a notification shows: send it beside the blocks, too")
    if len(text) > MOST_TEXT:
        raise SlackError("msg_too_long")
    blocks = embedded(given.get("blocks", []), "invalid_blocks_format")
    faults = faults_of(blocks)
    if faults:
        raise SlackError("invalid_blocks", *faults)
    if too_long(blocks):
        raise SlackError("msg_blocks_too_long")
    return {"text": text, "blocks": blocks}


def _metadata(given: dict[str, Any]) -> dict[str, Any] | None:
    metadata = embedded(given.get("metadata"), "invalid_metadata_format")
    if metadata is None:
        return None
    fits = isinstance(metadata, dict) and metadata.keys() == {"event_type", "event_payload"}
    if not fits or not isinstance(metadata["event_type"], str) or not isinstance(metadata["event_payload"], dict):
        raise SlackError("invalid_metadata_format", "[ERROR] must be {event_type: string, event_payload: object}")
    return dict(metadata)


def _accounts(payload: dict[str, Any]) -> tuple[str, ...]:
    several = payload.get("account_ids")
    named = [payload.get("account_id"), *(several if isinstance(several, list) else [])]
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str)))


def _channel_id(channel: Any) -> str:
    """Return the conversation's id: a user's is the direct message with her, a name's is made out of it."""
    if isinstance(channel, str):
        if re.fullmatch(_USER, channel):
            return _id("D", channel)
        if re.fullmatch(r"[CDG][A-Z0-9]{2,}", channel):
            return channel
        if re.fullmatch(r"#[^\s#]{1,80}", channel):
            return _id("C", channel)
    raise SlackError("channel_not_found")


def _id(letter: str, name: str) -> str:
    return letter + blake2b(name.encode(), digest_size=5).hexdigest().upper()


def _as_slack(message: Message, *, with_metadata: bool) -> dict[str, Any]:
    shown = {"type": "message", **BOT, "ts": message.body["ts"], "text": message.text, "blocks": message.body["blocks"]}
    if with_metadata and message.body["metadata"]:
        shown["metadata"] = message.body["metadata"]
    return shown


def _rate_limited(seconds: int) -> Response:
    return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers={"Retry-After": str(seconds)})


async def _vanish(request: Request, *, after: float = 0) -> Response:
    """Keep the client waiting, then break the connection without an answer."""
    with suppress(TimeoutError, asyncio.CancelledError):  # cancelled by the server's end, which this must not delay
        async with asyncio.timeout(after):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    request.state.transport.abort()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # the server notices that the connection is gone and drops what follows
    return Response()


_USER: Final = r"[UW][A-Z0-9]{2,}"
_BOT_ID: Final = {"bot_id": BOT["bot_id"]}
