"""What a channel is: the contract that `channels/*.py` keep, and the five answers a delivery can end with.

Only these answers count for what happens next, so a channel turns everything that can go wrong into one of them and
never raises for what the other side did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from services.alerts.directory import Person
    from services.alerts.message import Message
    from services.alerts.settings import Settings


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side took it. `reference` is its own name for the message (Slack `ts`, Message-ID)."""

    reference: str = ""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Certainly not taken: too fast. Nothing more to this recipient for `retry_after` seconds."""

    retry_after: float
    reason: str = "rate limited"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Certainly not taken, and later may help (no connection, a temporary refusal)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The request was written and no clear answer came: the message may have been taken."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not taken, and repeating cannot help (no such user, a message it will never accept)."""

    reason: str


TOO_LATE: Final = Unavailable("held up for so long that another replica may have taken over")

Outcome = Sent | Throttled | Unavailable | Unclear | Refused


@dataclass(frozen=True, slots=True)
class Reference:
    """What names one delivery over all its attempts. `repeated` says that an earlier attempt ended unclear.

    Once `time.monotonic()` is over `until`, somebody else may have begun the same.
    """

    delivery_id: str
    account_ids: tuple[str, ...]
    repeated: bool = False
    until: float = math.inf


class Channel(Protocol):
    """A configured way to reach people. Found as `PLUGIN` at the foot of a module in `channels/`."""

    name: str

    def address(self, person: Person) -> str | None:
        """Return where this channel reaches `person`, or None when it cannot. Pure."""
        ...

    def team(self) -> str | None:
        """Return where this channel reaches the whole team, the last resort; None when it cannot. Pure."""
        ...

    async def send(self, message: Message, to: str, reference: Reference) -> Outcome:
        """Hand over one message within the channel's own deadline. Raises nothing that the other side can cause.

        Right before the message itself goes out, a channel looks whether `reference.until` is over: then it is
        `TOO_LATE`, and nothing goes out. A process may have been stopped in the midst of what comes before.
        """
        ...

    async def find(self, to: str, reference: Reference) -> Sent | None:
        """Look whether an unclear attempt arrived after all; None when it did not or nobody can tell."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class ChannelKind(Protocol):
    """What a channel's module offers before it is configured."""

    name: str

    def open(self, settings: Settings) -> Channel | None:
        """Return the channel as the settings describe it, or None when they leave it out."""
        ...
