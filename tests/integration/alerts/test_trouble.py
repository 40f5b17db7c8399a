"""What can go wrong on the way, and that nothing is lost, hidden or said twice without saying so."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerts import queue
from services.alerts.channel import Outcome
from services.alerts.content import Topic, Writer
from services.alerts.delivery import LEASE, MOST_ATTEMPTS, Lease
from services.alerts.dispatch import SEND_SECONDS, Dispatcher
from services.alerts.message import Message
from services.alerts.routing import Recipient
from services.alerts.schedule import MOST_SINGLE, Job
from shared.db import fetch
from tests.contracts.test_channels import FakeChannel
from tests.integration.alerts.desk import PATIENCE, Desk, all_sent
from tests.plugins.inbox import LocalInbox
from tests.unit.alerts.saying import JANE, owner, told

OVER_THE_LEASE = timedelta(minutes=1)


def of(items: list[dict[str, Any]], channel: str) -> dict[str, Any]:
    [found] = [each for item in items for each in item["deliveries"] if each["channel"] == channel]
    return dict(found)


async def test_429_is_obeyed(desk: Desk, inbox: LocalInbox) -> None:
    inbox.faults(slack=["429:2"])
    await desk.tell(owner("acme", JANE), told("acme"))
    started = time.monotonic()
    items = await desk.send_until(all_sent)
    assert time.monotonic() - started >= 2
    assert of(items, "slack")["attempts"] == 2
    assert inbox.violations() == []
    assert len(inbox.messages(channel="slack")) == 1


@pytest.mark.parametrize("fault", ["reset_after_accept"])
async def test_an_unclear_answer_is_looked_up_before_it_is_repeated(desk: Desk, inbox: LocalInbox, fault: str) -> None:
    inbox.faults(slack=[fault])
    await desk.tell(owner("acme", JANE), told("acme"))
    await desk.send()
    assert of(await desk.alerts(), "slack")["state"] == "ambiguous"
    items = await desk.send_until(all_sent)
    assert of(items, "slack")["repeated"] is True
    assert len(inbox.messages(channel="slack")) == 1, "it had arrived, so it was not posted again"


async def test_a_mail_that_may_have_arrived_is_repeated_and_marked(desk: Desk, inbox: LocalInbox) -> None:
    inbox.faults(smtp=["drop_after_data"])
    await desk.tell(owner("acme", JANE), told("acme"))
    await desk.send_until(all_sent)
    first, second = inbox.messages(channel="email")
    assert first["headers"]["Message-ID"] == second["headers"]["Message-ID"]
    assert "X-Kizuna-Repeated" not in first["headers"]
    assert second["headers"]["X-Kizuna-Repeated"] == "maybe"
    assert "may repeat an earlier message" in second["text"]


async def test_500_is_repeated_marked(desk: Desk, inbox: LocalInbox) -> None:
    inbox.faults(slack=["500"], smtp=["451"])
    await desk.tell(owner("acme", JANE), told("acme"))
    await desk.send_until(all_sent)
    [slack], [mail] = inbox.messages(channel="slack"), inbox.messages(channel="email")
    assert "may repeat an earlier message" in str(slack["blocks"])
    assert "may repeat" not in mail["text"], "451 said clearly that it was not taken"


async def test_dead_deliveries_stay_visible_and_the_next_one_is_asked(desk: Desk, inbox: LocalInbox) -> None:
    manager = JANE.__class__(id="boss", email="boss@vendor.example", slack_id="U0BOSS0001", locale="ja")
    inbox.faults(slack=["error:user_not_found"], smtp=["550"])
    await desk.tell(owner("acme", JANE), owner("acme", manager, role="manager"), told("acme"))
    [item] = await desk.send_until(
        lambda items: sum(each["state"] == "sent" for item in items for each in item["deliveries"]) == 2
    )
    dead = {each["channel"]: each["reason"] for each in item["deliveries"] if each["state"] == "dead"}
    assert dead["slack"] == "user_not_found"
    assert dead["email"].startswith("550")
    [mail] = inbox.messages(channel="email")
    assert mail["to"] == manager.email
    assert "担当者に連絡できなかった" in mail["text"]


class Simultaneous(Dispatcher):
    """Looks for what comes next only when both messages have been noted as dead, and neither is committed."""

    both = asyncio.Barrier(2)

    async def _fall_back(self, conn: AsyncConnection, dead: Sequence[queue.Delivery], now: datetime) -> None:
        await self.both.wait()
        await super()._fall_back(conn, dead, now)


async def test_when_all_channels_die_at_once_the_next_one_is_asked_still(desk: Desk, inbox: LocalInbox) -> None:
    inbox.faults(slack=["error:user_not_found"], smtp=["550"])
    await desk.tell(owner("acme", JANE), told("acme"))
    writer = Writer(desk.links, desk.settings.time_zone)
    dispatcher = Simultaneous(desk.database, desk.channels, writer, desk.now)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(dispatcher.deliver(*each) for each in await dispatcher.claim(16)))
    [item] = await desk.alerts()
    assert sorted((each["channel"], each["state"]) for each in item["deliveries"]) == [
        *[("email", "dead"), ("email", "pending")],
        *[("slack", "dead"), ("slack", "pending")],
    ]


async def test_one_dead_channel_leaves_it_to_the_other(desk: Desk, inbox: LocalInbox) -> None:
    inbox.faults(slack=["error:user_not_found"])
    await desk.tell(owner("acme", JANE), told("acme"))
    items = await desk.send_until(lambda items: of(items, "email")["state"] == "sent")
    assert of(items, "slack")["state"] == "dead"
    assert await desk.send() == 0


async def test_killed_before_the_request_it_is_sent_marked(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    assert len(await desk.dispatcher.claim(16)) == 2, "claimed and committed; then the process dies"
    assert await desk.send() == 0, "nobody else touches what is leased"
    assert inbox.messages() == []
    desk.ahead = timedelta(minutes=1)
    await desk.send_until(all_sent)
    assert "may repeat" in inbox.messages(channel="email")[0]["text"]


async def test_killed_before_the_outcome_is_noted_slack_is_looked_up(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    for each in await desk.dispatcher.claim(16):
        await desk.dispatcher._attempt(*each)
    desk.ahead = timedelta(minutes=1)
    await desk.send_until(all_sent)
    assert len(inbox.messages(channel="slack")) == 1
    assert len(inbox.messages(channel="email")) == 2


class Outrun(Dispatcher):
    """Hears its answer when the lease is over, and another replica has sent."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.database, desk.channels, Writer(desk.links, desk.settings.time_zone), desk.now)
        self._desk = desk

    async def _attempt(self, job: Job, lease: Lease) -> Outcome:
        outcome = await super()._attempt(job, lease)
        self._desk.ahead = OVER_THE_LEASE
        await self._desk.send()
        return outcome


async def test_an_answer_after_the_lease_changes_nothing(desk: Desk, inbox: LocalInbox) -> None:
    inbox.faults(slack=["error:user_not_found"])
    await desk.tell(owner("acme", JANE), told("acme"))
    slow = Outrun(desk)
    [slack] = [each for each in await slow.claim(16) if each[0].to.channel == "slack"]
    await slow.deliver(*slack)
    assert all_sent(await desk.alerts())


async def test_whoever_was_taken_over_sends_nothing(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    slow = await desk.dispatcher.claim(16)
    desk.ahead = OVER_THE_LEASE
    assert await desk.send() == 2
    for each in slow:
        await desk.dispatcher.deliver(*each)
    assert ["may repeat" in str(each) for each in inbox.messages()] == [True, True]
    assert all_sent(await desk.alerts())


@dataclass(frozen=True)
class SlowWriter(Writer):
    """Has a message ready when the lease is over."""

    desk: Desk

    def alert(self, topic: Topic, to: Recipient, *, repeated: bool = False) -> Message:
        self.desk.ahead = OVER_THE_LEASE
        return super().alert(topic, to, repeated=repeated)


async def test_the_lease_is_looked_at_when_the_message_is_ready(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    writer = SlowWriter(desk.links, desk.settings.time_zone, desk)
    slow = Dispatcher(desk.database, desk.channels, writer, desk.now)
    await slow.deliver(*(await slow.claim(16))[0])
    assert inbox.messages() == []


async def test_the_time_to_send_runs_when_the_lease_is_looked_at(desk: Desk) -> None:
    looks: list[float] = []

    def clock() -> datetime:
        looks.append(time.monotonic())
        return desk.now()

    await desk.tell(owner("acme", JANE), told("acme"))
    channel = FakeChannel("email")
    writer = Writer(desk.links, desk.settings.time_zone)
    dispatcher = Dispatcher(desk.database, desk.channels | {"email": channel}, writer, clock)
    [mail] = [each for each in await dispatcher.claim(16) if each[0].to.channel == "email"]
    looks.clear()
    await dispatcher.deliver(*mail)
    [(_, _, reference)] = channel.sent
    assert reference.until <= looks[0] + SEND_SECONDS


async def test_what_nobody_took_over_is_tried_again_unmarked(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    slow = await desk.dispatcher.claim(16)
    desk.ahead = LEASE - timedelta(seconds=SEND_SECONDS)  # the lease lasts, but not as long as sending may take
    for each in slow:
        await desk.dispatcher.deliver(*each)
    assert inbox.messages() == []
    items = await desk.send_until(all_sent)
    assert not any(each["repeated"] for item in items for each in item["deliveries"])
    assert ["may repeat" in str(each) for each in inbox.messages()] == [False, False]


async def held_up(desk: Desk) -> None:
    """Claim what waits, and be held up for most of the lease before it is sent."""
    slow = await desk.dispatcher.claim(16)
    assert slow
    desk.ahead += LEASE - timedelta(seconds=SEND_SECONDS)
    for each in slow:
        await desk.dispatcher.deliver(*each)
    desk.ahead += timedelta(seconds=2)


async def test_being_held_up_uses_up_no_attempts(desk: Desk, inbox: LocalInbox) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    for _ in range(MOST_ATTEMPTS + 1):
        await held_up(desk)
    assert inbox.messages() == []
    [item] = await desk.send_until(all_sent)
    assert [(each["attempts"], each["repeated"]) for each in item["deliveries"]] == [(1, False), (1, False)]


@pytest.mark.parametrize("unclear", ["drop_after_data", "killed"])
async def test_what_may_have_arrived_is_marked_also_after_being_held_up(
    desk: Desk, inbox: LocalInbox, unclear: str
) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    if unclear == "killed":
        await desk.dispatcher.claim(16)
    else:
        inbox.faults(smtp=[unclear], slack=["reset_after_accept"])
        await desk.send()
    before = inbox.messages()
    desk.ahead += OVER_THE_LEASE
    async with desk.database.transaction() as conn:
        await queue.expire(conn, desk.now())
    for _ in range(2):
        await held_up(desk)
    assert inbox.messages() == before
    [mail] = [each["id"] for item in await desk.alerts() for each in item["deliveries"] if each["channel"] == "email"]
    more = [f"a{number}" for number in range(MOST_SINGLE + 1)]
    await desk.tell(*(owner(name, JANE) for name in more), *(told(name) for name in more))
    items = await desk.send_until(all_sent)
    [sent] = [each for item in items for each in item["deliveries"] if each["id"] == mail]
    assert (sent["attempts"], sent["repeated"]) == (2, True)
    copies = [each for each in inbox.messages(channel="email") if mail in each["headers"]["Message-ID"]]
    assert len(copies) == len(before[:1]) + 1, "what may have arrived keeps its name, and is in no summary"
    assert copies[-1]["headers"]["X-Kizuna-Repeated"] == "maybe"


async def test_being_held_up_after_the_lease_takes_nothing_from_who_took_over(desk: Desk) -> None:
    await desk.tell(owner("acme", JANE), told("acme"))
    slow = await desk.dispatcher.claim(16)
    desk.ahead = OVER_THE_LEASE
    assert len(await desk.dispatcher.claim(16)) == len(slow)
    for each in slow:
        await desk.dispatcher.deliver(*each)
    [item] = await desk.alerts()
    found = [(each["state"], each["attempts"], each["repeated"]) for each in item["deliveries"]]
    assert found == [("pending", 2, True), ("pending", 2, True)], "the one who took over is still sending"


async def test_a_cancelled_request_leaves_a_lease_and_no_transaction(desk: Desk, inbox: LocalInbox) -> None:
    inbox.faults(slack=["hang"])
    await desk.tell(owner("acme", JANE), told("acme"))
    await desk.dispatcher.tick()
    await desk.send_until(lambda items: of(items, "email")["state"] == "sent")
    async with desk.database.snapshot() as conn:
        idle = await fetch(
            conn, "select 1 from pg_stat_activity where state = 'idle in transaction' and pid <> pg_backend_pid()"
        )
    assert idle == []
    await desk.dispatcher.drain(0.1)
    await desk.dispatcher.drain()
    desk.ahead = timedelta(minutes=1)
    await desk.send_until(all_sent)
    assert len(inbox.messages(channel="slack")) == 1


async def test_two_replicas_never_work_one_mailbox_at_once(desk: Desk, inbox: LocalInbox) -> None:
    other = Desk(desk.database, desk.settings, desk.channels)
    names = [f"a{number}" for number in range(6)]
    await desk.tell(*(owner(name, JANE) for name in names), *(told(name) for name in names))
    async with asyncio.timeout(20):
        while not all_sent(await desk.alerts()):
            await asyncio.gather(desk.send(), other.send())
            await asyncio.sleep(0.05)
    assert len(inbox.messages(channel="slack")) == len(inbox.messages(channel="email")) == 6
    assert inbox.violations() == []
