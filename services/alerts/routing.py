"""Who is told, and how: severity to channels, and the people of an account in the order in which they are asked. Pure.

The recipient is looked up when a message is sent, so whoever owns the account then gets it. Tiers only go up: csm, then
manager, then the team, which always exists; a message that nobody can get stays visible as dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.alerts.templates import words_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from services.alerts.channel import Channel
    from services.alerts.directory import Account

TIERS: Final = ("csm", "manager", "team")
TEAM: Final = "team"
FAILED: Final = "dead"

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


def after_death(
    severity: str, told: Collection[tuple[str, str, str]], configured: Iterable[str]
) -> tuple[tuple[str, str], ...]:
    """Return what to try next, as (tier, channel), after deliveries of one message died.

    `told` lists every delivery of the message so far as (tier, channel, state). While one of them lives or has arrived
    nothing is needed; then come the highest tier's other channels, then the next tier.
    """
    if any(state != FAILED for _, _, state in told):
        return ()
    there = tuple(configured)
    highest = max((tier for tier, _, _ in told), key=TIERS.index)
    tried = {channel for tier, channel, _ in told if tier == highest}
    untried = tuple((highest, name) for name in there if name not in tried)
    if untried or highest == TEAM:
        return untried
    above = TIERS[TIERS.index(highest) + 1]
    return tuple((above, name) for name in channels_for(severity, there))
