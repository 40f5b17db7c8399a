"""A sender that was held up: it sends nothing behind the back of another, and that is no attempt."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from services.alerts import queue
from services.alerts.content import Topic, Writer
from services.alerts.delivery import LEASE, MOST_ATTEMPTS
from services.alerts.dispatch import SEND_SECONDS, Dispatcher
from services.alerts.message import Message
from services.alerts.routing import Recipient
from services.alerts.schedule import MOST_SINGLE
from tests.contracts.test_channels import FakeChannel
from tests.integration.alerts.desk import Desk, all_sent
from tests.plugins.inbox import LocalInbox
from tests.unit.alerts.saying import JANE, owner, told

OVER_THE_LEASE = timedelta(minutes=1)


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
