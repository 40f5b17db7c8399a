"""What can go wrong on the way, and that nothing is lost, hidden or said twice without saying so."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerts import queue
from services.alerts.channel import Outcome, Throttled, Unavailable, Unclear
from services.alerts.content import Writer
from services.alerts.delivery import MOST_ATTEMPTS, Lease
from services.alerts.dispatch import Dispatcher
from services.alerts.schedule import Job
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
    assert of(items, "slack")["attempts"] == 1, "the other side is well: a 429 is no attempt"
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


async def through_an_outage(desk: Desk, outcome: Outcome, length: timedelta) -> list[dict[str, Any]]:
    """Let Slack, the only channel, answer so for a while; return what became of the one alert's deliveries."""
    desk.channels = {"slack": (slack := FakeChannel("slack"))}
    desk.__post_init__()
    await desk.tell(told("acme"))
    while desk.ahead < length:
        slack.answers = [outcome]
        await desk.send()
        desk.ahead += timedelta(minutes=15)
    slack.answers = []
    await desk.send()
    [item] = await desk.alerts()
    return list(item["deliveries"])


@pytest.mark.parametrize("outcome", [Unavailable("no connection"), Throttled(60)])
async def test_an_outage_of_a_day_loses_no_alert_where_nobody_else_can_be_told(desk: Desk, outcome: Outcome) -> None:
    [found] = await through_an_outage(desk, outcome, timedelta(days=1))
    assert (found["state"], found["repeated"]) == ("sent", False)


async def test_an_outage_of_days_ends_dead(desk: Desk) -> None:
    [found] = await through_an_outage(desk, Unavailable("no connection"), timedelta(days=3, hours=1))
    assert found["state"] == "dead"
    assert "no connection" in found["reason"]


async def test_unclear_answers_end_after_twenty_attempts_also_where_nobody_else_can_be_told(desk: Desk) -> None:
    [found] = await through_an_outage(desk, Unclear("perhaps"), timedelta(hours=6))
    assert (found["state"], found["attempts"]) == ("dead", MOST_ATTEMPTS)


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
