"""Slack: `chat.postMessage` with a bot token, to a person's direct messages or the team's channel.

Slack knows no idempotency key. So each message carries its delivery id as metadata, and before an unclear attempt is
repeated the conversation is searched for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from services.alerts.channel import TOO_LATE, Outcome, Reference, Refused, Sent, Throttled, Unavailable, Unclear
from services.alerts.channels import blocks

if TYPE_CHECKING:
    from services.alerts.directory import Person
    from services.alerts.message import Message
    from services.alerts.settings import Settings

DEADLINE: Final = 6.0
EVENT_TYPE: Final = "kizuna_alert"
LOOK_BACK: Final = 100
JSON: Final = {"Content-Type": "application/json; charset=utf-8"}

# Errors that say "not now", "not with this token", "too fast" or "perhaps"; every other one will not go away by itself.
NOT_NOW: Final = frozenset({"service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"})
NOT_LET_IN: Final = frozenset(
    {"token_revoked", "token_expired", "invalid_auth", "not_authed", "account_inactive", "org_login_required"}
)
RATE: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
MAYBE_POSTED: Final = frozenset({"fatal_error", "internal_error"})

# Statuses that speak of our way to Slack (a token, a proxy), not of the message; so does every redirect.
NOT_THERE: Final = frozenset({401, 403, 407})


class Slack:
    """Slack as one workspace's bot sees it."""

    name = "slack"

    def __init__(self, client: httpx.AsyncClient, team_channel: str | None) -> None:
        self._client = client
        self._team_channel = team_channel

    def address(self, person: Person) -> str | None:
        """Return the person's Slack id, else the mail address by which Slack may know her."""
        return person.slack_id or person.email

    def team(self) -> str | None:
        """Return the team's channel."""
        return self._team_channel

    async def send(self, message: Message, to: str, reference: Reference) -> Outcome:
        """Post a message to a user id, a channel, or the user with a mail address."""
        payload = blocks.render(message)
        if wrong := blocks.problems(payload):
            return Refused(f"the message breaks Slack's limits: {', '.join(wrong)}")
        channel = await self._channel(to)
        if not isinstance(channel, str):
            return channel
        if time.monotonic() > reference.until:
            return TOO_LATE
        answer = await self._call("chat.postMessage", payload | _envelope(channel, reference))
        return Sent(str(answer.get("ts", ""))) if isinstance(answer, dict) else answer

    async def find(self, to: str, reference: Reference) -> Sent | None:
        """Look among the conversation's latest messages for one that carries the delivery id."""
        channel = await self._conversation(to)
        if channel is None:
            return None
        query = {"channel": channel, "limit": LOOK_BACK, "include_all_metadata": True}
        answer = await self._call("conversations.history", query)
        for each in answer.get("messages", ()) if isinstance(answer, dict) else ():
            payload = (each.get("metadata") or {}).get("event_payload") or {}
            if payload.get("delivery_id") == reference.delivery_id:
                return Sent(str(each.get("ts", "")))
        return None

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _channel(self, to: str) -> str | Outcome:
        """Resolve a mail address to a user id; nothing else needs resolving. Nothing was posted when this fails."""
        if "@" not in to:
            return to
        answer = await self._call("users.lookupByEmail", {"email": to}, form=True)
        if isinstance(answer, dict):
            return str(answer["user"]["id"])
        return Unavailable(answer.reason) if isinstance(answer, Unclear) else answer

    async def _conversation(self, to: str) -> str | None:
        """Return the id under which a conversation's history can be read."""
        channel = await self._channel(to)
        if not isinstance(channel, str) or not channel.startswith(("U", "W")):
            return channel if isinstance(channel, str) else None
        answer = await self._call("conversations.open", {"users": channel})
        return str(answer["channel"]["id"]) if isinstance(answer, dict) else None

    async def _call(self, method: str, body: dict[str, Any], *, form: bool = False) -> dict[str, Any] | Outcome:
        try:
            if form:
                response = await self._client.post(method, data=body)
            else:
                response = await self._client.post(method, content=msgspec.json.encode(body), headers=JSON)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Unavailable(f"no connection to Slack: {type(error).__name__}")
        except httpx.TransportError as error:
            return Unclear(f"no answer from Slack: {type(error).__name__}")
        return _judged(response)


class SlackPlugin:
    """Opens Slack when a token is set."""

    name = "slack"

    def open(self, settings: Settings) -> Slack | None:
        """Return Slack as the settings describe it."""
        if settings.slack_token is None:
            return None
        client = httpx.AsyncClient(
            base_url=settings.slack_url,
            headers={"Authorization": f"Bearer {settings.slack_token.get_secret_value()}"},
            timeout=DEADLINE,
        )
        return Slack(client, settings.team_channel)


def _envelope(channel: str, reference: Reference) -> dict[str, Any]:
    payload: dict[str, Any] = {"delivery_id": reference.delivery_id, "account_id": reference.account_ids[0]}
    if len(reference.account_ids) > 1:
        payload["account_ids"] = list(reference.account_ids)
    return {
        "channel": channel,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": EVENT_TYPE, "event_payload": payload},
    }


def _judged(response: httpx.Response) -> dict[str, Any] | Outcome:
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return Throttled(_seconds(response))
    if response.is_server_error:
        return Unclear(f"Slack answered {response.status_code}")
    if response.is_redirect or response.status_code in NOT_THERE:
        return Unavailable(f"Slack, or a proxy before it, answered {response.status_code}")
    if not response.is_success:
        return Refused(f"Slack answered {response.status_code}")
    try:
        answer = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return Unclear("Slack's answer is not JSON")
    return answer if answer.get("ok") is True else _error(str(answer.get("error")), response)


def _error(error: str, response: httpx.Response) -> Outcome:
    if error in RATE:
        return Throttled(_seconds(response), error)
    if error in MAYBE_POSTED:
        return Unclear(error)
    return Unavailable(error) if error in NOT_NOW | NOT_LET_IN else Refused(error)


def _seconds(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 1.0


PLUGIN = SlackPlugin()
