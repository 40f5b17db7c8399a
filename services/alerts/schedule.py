"""What goes out now: waiting deliveries become messages, at most one per mailbox. Pure.

Held back are signals that rest on facts which this service has not read yet, for at most half a minute. More than ten
that wait for one mailbox become one summary; once attempted it stays that summary, whatever else arrives.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from services.alerts.content import Topic
from services.alerts.delivery import HOLD_BACK
from services.alerts.routing import Recipient, recipient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from services.alerts.channel import Channel
    from services.alerts.directory import Account
    from services.alerts.queue import Delivery, Waiting
    from shared.events import RestsOn

MOST_SINGLE: Final = 10
RESTED_ON: Final = ("customer.v1", "billing.v1")


@dataclass(frozen=True, slots=True)
class Head:
    """How far this service has read one partition: next offsets by topic, and the cluster they belong to."""

    cluster: str | None
    positions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class World:
    """What the choice depends on besides the deliveries."""

    accounts: Mapping[str, Account]
    channels: Mapping[str, Channel]
    heads: Mapping[int, Head]
    now: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """One message to one mailbox. `batch` names the summary it is, if any; `tiers` says who is asked, for each."""

    to: Recipient
    deliveries: tuple[Delivery, ...]
    topics: tuple[Topic, ...]
    tiers: tuple[str, ...]
    batch: str | None

    @property
    def id(self) -> str:
        """The delivery id that all attempts carry."""
        return self.batch or self.deliveries[0].id

    @property
    def ambiguous(self) -> bool:
        """Whether an earlier attempt may have arrived."""
        return any(each.repeated for each in self.deliveries)

    def of(self, started: Iterable[Delivery]) -> Job:
        """Return this job with the deliveries that could be started, as they stand now."""
        now = {each.id: each for each in started}
        kept = [number for number, each in enumerate(self.deliveries) if each.id in now]
        return replace(
            self,
            deliveries=tuple(now[self.deliveries[number].id] for number in kept),
            topics=tuple(self.topics[number] for number in kept),
            tiers=tuple(self.tiers[number] for number in kept),
        )


@dataclass(slots=True)
class Choice:
    """What to send, and the ids of what needs no sending any more or reaches nobody."""

    jobs: list[Job] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    unreachable: list[Delivery] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ready:
    delivery: Delivery
    topic: Topic
    to: Recipient


def choose(waiting: Iterable[Waiting], world: World) -> Choice:
    """Decide for every waiting delivery whether it goes out now, with which others, and to whom."""
    choice = Choice()
    mailboxes: dict[str, list[_Ready]] = defaultdict(list)
    for each in waiting:
        delivery, channel = each.delivery, world.channels.get(each.delivery.channel)
        account = world.accounts[delivery.account_id]
        if each.alert.state == "resolved":
            choice.withdrawn.append(delivery.id)
            continue
        to = recipient(account, delivery.tier, channel) if channel else None
        if to is None:
            choice.unreachable.append(delivery)
            continue
        missing = missing_topics(each.alert.latest.rests_on, world.heads[delivery.partition])
        if missing and world.now - delivery.planned_at < HOLD_BACK:
            continue
        topic = Topic(each.alert, account, (delivery.id, delivery.planned_at), missing)
        mailboxes[to.key].append(_Ready(delivery, topic, to))
    choice.jobs = [_next(ready) for ready in mailboxes.values()]
    return choice


def missing_topics(rests_on: RestsOn | None, head: Head) -> tuple[str, ...]:
    """Name the topics that a signal rests on and that were not read as far yet. Another cluster counts as read."""
    if rests_on is None or head.cluster != rests_on.cluster:
        return ()
    return tuple(
        topic
        for topic, offset in sorted(rests_on.positions.items())
        if topic.endswith(RESTED_ON) and head.positions.get(topic, 0) < offset
    )


def _next(ready: Sequence[_Ready]) -> Job:
    """Take the most important message of one mailbox: the highest severity, then the longest waiting."""
    groups: dict[str, list[_Ready]] = defaultdict(list)
    fresh = [each for each in ready if each.delivery.batch is None and not each.delivery.attempts]
    batch = _batch(fresh) if len(fresh) > MOST_SINGLE else None
    for each in ready:
        own = each.delivery.batch or (batch if batch and not each.delivery.attempts else None)
        groups[own or each.delivery.id].append(each)
    name = min(groups, key=lambda key: (_urgency(groups[key]), key))
    chosen = groups[name]
    return Job(
        to=chosen[0].to,
        deliveries=tuple(each.delivery for each in chosen),
        topics=tuple(each.topic for each in chosen),
        tiers=tuple(each.to.tier for each in chosen),
        batch=name if name == batch or chosen[0].delivery.batch else None,
    )


def _urgency(group: Sequence[_Ready]) -> tuple[int, datetime]:
    return (-max(each.delivery.rank for each in group), min(each.delivery.planned_at for each in group))


def _batch(fresh: Sequence[_Ready]) -> str:
    names = "|".join(sorted(each.delivery.id for each in fresh))
    return blake2b(names.encode(), digest_size=16).hexdigest()
