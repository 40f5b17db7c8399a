"""Who is told, and how: severity to channels, and the people of an account in the order in which they are asked. Pure.

The recipient is looked up when a message is sent, so whoever owns the account then gets it. Tiers only go up: csm, then
manager, then the team, which always exists; a message that nobody can get stays visible as dead. An outage
does not kill a message for which nobody would be left to try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from services.alerts.delivery import ARRIVED
from services.alerts.templates import words_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from services.alerts.channel import Channel
    from services.alerts.directory import Account

TIERS: Final = ("csm", "manager", "team")
TEAM: Final = "team"
FAILED: Final = "dead"

Told: TypeAlias = "Collection[tuple[str, str, str]]"
"""Every delivery of one message so far, as (tier, channel, state)."""

# Which channels a severity uses at once; the others are tried when these fail.
CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "critical": ("slack", "email"),
    "high": ("slack", "email"),
    "medium": ("slack", "email"),
    "low": ("email",),
    "info": ("email",),
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a message: person (an id, or `team`), the address on that channel, language and zone to speak in."""

    tier: str
    person: str
    channel: str
    address: str
    language: str
    time_zone: str | None = None

    @property
    def key(self) -> str:
        """What names the recipient's mailbox, whoever shares it."""
        return f"{self.channel}:{self.address}"


def channels_for(severity: str, configured: Iterable[str]) -> tuple[str, ...]:
    """Return the channels to use at once; all that are configured when none of the severity's own is."""
    there = tuple(configured)
    return tuple(name for name in CHANNELS[severity] if name in there) or there


def recipient(account: Account, tier: str, channel: Channel) -> Recipient | None:
    """Return who is reached from `tier` upwards, or None when even the team has no address on this channel."""
    for role in TIERS[TIERS.index(tier) :]:
        person = account.owners.get(role)
        address = channel.address(person) if person else None
        if person and address:
            language = words_for(person.locale).language
            return Recipient(role, person.id, channel.name, address, language, person.time_zone)
    address = channel.team()
    return Recipient(TEAM, TEAM, channel.name, address, words_for(None).language) if address else None


def after_death(severity: str, told: Told, channels: Mapping[str, Channel]) -> tuple[tuple[str, str], ...]:
    """Return what to try next, as (tier, channel), after deliveries of one message died.

    While one of them lives or has arrived nothing is needed.
    """
    return () if any(state != FAILED for _, _, state in told) else _beyond(severity, told, channels)


def is_last(severity: str, told: Told, channels: Mapping[str, Channel]) -> bool:
    """Whether nobody would be left to try, and none of what was tried has arrived."""
    return all(state != ARRIVED for _, _, state in told) and not _beyond(severity, told, channels)


def _beyond(severity: str, told: Told, channels: Mapping[str, Channel]) -> tuple[tuple[str, str], ...]:
    """Return the highest tier's other channels, else the next tier; a channel that knows no team is no way to it."""
    highest = max((tier for tier, _, _ in told), key=TIERS.index)
    tried = {channel for tier, channel, _ in told if tier == highest}
    untried = tuple((highest, name) for name in channels if name not in tried)
    if highest == TEAM:
        return tuple((tier, name) for tier, name in untried if channels[name].team())
    above = TIERS[TIERS.index(highest) + 1]
    return untried or tuple((above, name) for name in channels_for(severity, channels))
