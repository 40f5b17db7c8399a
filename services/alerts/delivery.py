"""What becomes of a delivery: its states, its attempts and when the next one may come. Pure.

pending → sending → sent | pending (certainly not taken) | ambiguous (may have been taken) | dead. `withdrawn` is a
delivery whose alert was resolved before it was seen to arrive. A delivery is committed as `sending` before the request:
whoever finds it so after its lease cannot know whether the request was written, so it becomes `ambiguous` and is
repeated, marked. What its own sender found to be too late is certain not to have gone out: it does not count as an
attempt, however often that happens, and neither does a 429 while the delivery is young: the other side is well, and has
said when to come again. Where nobody else is left to try, an outage kills nothing before its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from services.alerts.channel import TOO_LATE, Outcome, Refused, Sent, Throttled, Unavailable, Unclear

ARRIVED: Final = "sent"
LEASE: Final = timedelta(seconds=20)
MOST_ATTEMPTS: Final = 20
LONGEST_LIFE: Final = timedelta(days=3)
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=15)
BETWEEN_MESSAGES: Final = timedelta(seconds=1.05)
LATE_WAIT: Final = timedelta(seconds=2)
HOLD_BACK: Final = timedelta(seconds=30)
REASON_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Lease:
    """The sole right to send a delivery, `until` a moment by the clock of whoever took it."""

    token: str
    until: datetime

    def covers(self, length: timedelta, now: datetime) -> bool:
        """Return whether what begins `now` and takes so long is over before anybody else may begin."""
        return now + length <= self.until


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt's outcome means. `pause` is how long the recipient must be left in peace from now.

    `counts` says whether it was an attempt at all. Whether an earlier one may have arrived is not touched by it.
    `if_last` is what it means instead for a delivery after which nobody else could be tried.
    """

    state: str
    not_before: datetime
    reason: str | None
    reference: str | None
    pause: timedelta
    counts: bool = True
    if_last: Settled | None = None


def delivery_id(alert_id: str, rank: int, tier: str, channel: str) -> str:
    """Name a delivery for ever: planning it again makes nothing new."""
    return blake2b(f"{alert_id}|{rank}|{tier}|{channel}".encode(), digest_size=16).hexdigest()


def settle(outcome: Outcome, attempts: int, age: timedelta, now: datetime, jitter: float) -> Settled:
    """Decide what follows from an outcome after `attempts` attempts (this one included). `jitter` is in [0, 1).

    `age` is how long ago the delivery was planned.
    """
    if isinstance(outcome, Sent):
        return Settled(ARRIVED, now, None, outcome.reference, BETWEEN_MESSAGES)
    reason = outcome.reason[:REASON_LENGTH]
    if isinstance(outcome, Refused):
        return Settled("dead", now, reason, None, BETWEEN_MESSAGES)
    if outcome == TOO_LATE:
        return Settled("pending", now + pause_after(1, jitter), reason, None, BETWEEN_MESSAGES, counts=False)
    old = age >= LONGEST_LIFE
    if isinstance(outcome, Throttled) and (not old or attempts < MOST_ATTEMPTS):
        wait = max(timedelta(seconds=outcome.retry_after), BETWEEN_MESSAGES)
        return Settled("pending", now + wait, reason, None, wait, counts=old)
    state = "ambiguous" if isinstance(outcome, Unclear) else "pending"
    again = Settled(state, now + pause_after(attempts, jitter), reason, None, BETWEEN_MESSAGES)
    if attempts < MOST_ATTEMPTS:
        return again
    if_last = again if isinstance(outcome, Unavailable) and not old else None
    reason = f"gave up after {attempts} attempts: {reason}"
    return Settled("dead", now, reason, None, BETWEEN_MESSAGES, if_last=if_last)


def pause_after(attempts: int, jitter: float) -> timedelta:
    """Return the pause after the n-th attempt: doubling from one second, at most 15 minutes, less up to a quarter."""
    whole: timedelta = min(FIRST_PAUSE * 2 ** (min(attempts, MOST_ATTEMPTS) - 1), LONGEST_PAUSE)
    return whole * (1 - jitter / 4)
