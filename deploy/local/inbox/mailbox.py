"""Owns what the inbox has taken in: the last thousand messages of both channels, and what was scripted to go wrong."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Channel = Literal["slack", "email"]
KEPT: Final = 1000
MOST_FAULTS: Final = 1000


@dataclass(slots=True)
class Message:
    """One delivered message. `body` holds what only its channel has: blocks, ts, metadata; or subject, from, html.

    A summary speaks of several accounts and is found by each.
    """

    channel: Channel
    to: str
    received_at: datetime
    text: str
    account_ids: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the item that `GET /messages` answers with."""
        return {
            "channel": self.channel,
            "to": self.to,
            "received_at": self.received_at.isoformat(),
            "account_id": next(iter(self.account_ids), None),
            "account_ids": self.account_ids,
            "text": self.text,
            "headers": self.headers,
            **self.body,
        }


class Mailbox:
    """Keeps the last messages, oldest first. `version` changes whenever the page would look different."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=KEPT)
        self.version = 0

    def add(self, message: Message) -> None:
        """Keep a message; the oldest goes when there are more than a thousand."""
        self._messages.append(message)
        self.version += 1

    def changed(self) -> None:
        """Note that a kept message was edited in place."""
        self.version += 1

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()
        self.version += 1

    def select(self, channel: str | None = None, account: str | None = None) -> list[Message]:
        """Return the kept messages, newest last, of one channel or account where given."""
        return [
            message
            for message in self._messages
            if channel in {None, message.channel} and account in {None, *message.account_ids}
        ]

    def posted(self, channel_id: str) -> list[Message]:
        """Return the Slack messages of one conversation, newest last."""
        return [message for message in self.select("slack") if message.body["channel_id"] == channel_id]


class BadScript(ValueError):
    """A scripted fault that the stand-ins cannot play; the message lists those that they can."""


class Faults:
    """What goes wrong next, per stand-in: one fault is taken per message, in order."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[str]] = {name: deque() for name in _PLAYABLE}

    def script(self, faults: Mapping[str, Any]) -> None:
        """Replace the scripts of the stand-ins that are named. Raises BadScript, then nothing is changed."""
        for name, script in faults.items():
            _check(name, script)
        for name, script in faults.items():
            self._queues[name] = deque(script)

    def take(self, name: str) -> str | None:
        """Return the next fault of a stand-in, or None when all is to go well."""
        queue = self._queues[name]
        return queue.popleft() if queue else None

    def left(self) -> dict[str, list[str]]:
        """Return what has not been played yet."""
        return {name: list(queue) for name, queue in self._queues.items()}


def _check(name: str, script: Any) -> None:
    if name not in _PLAYABLE:
        raise BadScript(f"{name!r} is no stand-in: use {' or '.join(_PLAYABLE)}")
    if not isinstance(script, list) or len(script) > MOST_FAULTS:
        raise BadScript(f"{name}: must be a list of at most {MOST_FAULTS} faults")
    pattern, meaning = _PLAYABLE[name]
    for fault in script:
        if not isinstance(fault, str) or not pattern.fullmatch(fault):
            raise BadScript(f"{name}: {fault!r} cannot be played; known are {meaning}")


_PLAYABLE: Final = {
    "slack": (
        re.compile(r"429(:[1-9]\d{0,3})?|[345]\d\d|hang|reset|reset_after_accept|error:[a-z_]+"),
        "429:SECONDS, another 3xx, 4xx or 5xx, hang, reset, reset_after_accept, error:NAME",
    ),
    "smtp": (
        re.compile(r"[45]\d\d|hang|late:[1-9]\d?|drop_after_data"),
        "a 4xx or 5xx code, hang, late:SECONDS, drop_after_data",
    ),
}
