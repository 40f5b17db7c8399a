"""The loop that sends: claims deliveries, lets go of the database, speaks to a channel, then notes what came of it.

Every claim is committed before the first byte goes out, and no transaction is open while it does. Whatever stops this
process in between leaves a delivery `sending`, which becomes ambiguous once its lease has run out. A process that was
held up looks at its lease before it sends, and its channel at the clock last thing before the message goes out: what
another one may have taken over it leaves alone. That it is held up after that can be made unlikely, not excluded.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import replace
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import Counter, Histogram

from services.alerts import delivery, directory, queue, routing, store
from services.alerts.arrival import announced
from services.alerts.channel import TOO_LATE, Outcome, Reference, Sent, Unclear
from services.alerts.schedule import Choice, Head, Job, World, choose
from shared import outbox, positions
from shared.observability import REGISTRY
from shared.trouble import is_world_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.alerts.channel import Channel
    from services.alerts.content import Writer
    from services.alerts.episode import Alert
    from services.alerts.message import Message
    from shared.db import Database

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.15
TROUBLE_SECONDS: Final = 1.0
WINDOW: Final = 1000
AT_ONCE: Final = 16
SEND_SECONDS: Final = 10.0
FIND_SECONDS: Final = 5.0
FAREWELL_SECONDS: Final = 6.0

OUTCOMES = Counter("kizuna_alert_attempts_total", "Attempts to deliver", ["channel", "outcome"], registry=REGISTRY)
DEAD = Counter("kizuna_alert_dead_deliveries_total", "Deliveries given up", ["channel"], registry=REGISTRY)
STUCK = Counter("kizuna_alert_stuck_attempts_total", "Failures with nobody else to try", ["channel"], registry=REGISTRY)
SECONDS = Histogram("kizuna_alert_delivery_seconds", "From decision to delivery", ["channel"], registry=REGISTRY)


class Dispatcher:
    """Sends what waits. `channels` are the configured ones by name; `clock` returns the present, UTC."""

    def __init__(
        self, database: Database, channels: Mapping[str, Channel], writer: Writer, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._channels = channels
        self._writer = writer
        self._clock = clock
        self._sending: set[asyncio.Task[None]] = set()
        for name in channels:
            DEAD.labels(name)  # there from the start: what appears with its first count shows no increase
            STUCK.labels(name)
        self.beat = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, then give what is under way a moment to end."""
        while not stop.is_set():
            self.beat = time.monotonic()
            pause = LOOK_SECONDS
            try:
                await self.tick()
            except Exception as error:
                if not is_world_trouble(error):
                    raise
                log.warning("dispatch_waits", error=repr(error))
                pause = TROUBLE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        await self.drain(FAREWELL_SECONDS)

    async def tick(self) -> int:
        """Claim what can go out now and begin to send it; return how many messages that is."""
        room = AT_ONCE - len(self._sending)
        claimed = await self.claim(room) if room > 0 else []
        for job, lease in claimed:
            task = asyncio.create_task(self.deliver(job, lease))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(claimed)

    async def drain(self, seconds: float | None = None) -> None:
        """Wait for what is being sent."""
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=seconds)
            for task in late:
                task.cancel()

    async def claim(self, room: int) -> list[tuple[Job, delivery.Lease]]:
        """Commit to at most `room` messages: deliveries marked as being sent, mailboxes held, each under a lease."""
        now = self._clock()
        async with self._database.transaction() as conn:
            await queue.expire(conn, now)
            waiting = await queue.waiting(conn, now, WINDOW)
            if not waiting:
                return []
            choice = choose(waiting, await self._world(conn, waiting, now))
            await self._drop(conn, choice, now)
            return await self._take(conn, choice.jobs, room, now)

    async def deliver(self, job: Job, lease: delivery.Lease) -> None:
        """Send one message and note the outcome. Nothing is retried here: the next look does that."""
        outcome = await self._attempt(job, lease)
        attempts = max(each.attempts for each in job.deliveries)
        now = self._clock()
        age = now - max(each.planned_at for each in job.deliveries)
        settled = delivery.settle(outcome, attempts, age, now, random.random())  # noqa: S311 - spreads retries only
        OUTCOMES.labels(job.to.channel, type(outcome).__name__.lower()).inc()
        try:
            async with self._database.transaction() as conn:
                rows = await queue.settle(conn, lease.token, settled, now)
                await queue.release_recipient(conn, job.to.key, lease.token, now + settled.pause)
                if settled.state == delivery.ARRIVED:
                    await outbox.emit(conn, announced(job, rows, settled, now), now)
                if settled.state == routing.FAILED:
                    await self._give_up(conn, rows, settled, now)
        except Exception as error:
            if not is_world_trouble(error):
                raise
            log.warning("outcome_not_noted", delivery=job.id, error=repr(error))
            return
        for each in rows if settled.state == "sent" else ():
            SECONDS.labels(job.to.channel).observe((now - each.planned_at).total_seconds())
        accounts = [each.account_id for each in job.deliveries]
        log.info("delivery", id=job.id, state=settled.state, reason=settled.reason, accounts=accounts[:20])

    async def _attempt(self, job: Job, lease: delivery.Lease) -> Outcome:
        channel = self._channels[job.to.channel]
        reference = Reference(job.id, tuple(dict.fromkeys(each.account_id for each in job.deliveries)), job.ambiguous)
        try:
            if job.ambiguous and (found := await self._find(channel, job, reference)):
                return found
            message = self._message(job)
            until = time.monotonic() + SEND_SECONDS  # before the look: whoever is stopped between them has less time
            if not lease.covers(timedelta(seconds=SEND_SECONDS), self._clock()):
                return TOO_LATE
            async with asyncio.timeout(SEND_SECONDS):
                return await channel.send(message, job.to.address, replace(reference, until=until))
        except TimeoutError:
            return Unclear(f"no answer within {SEND_SECONDS:.0f} s")
        except Exception as error:
            log.exception("channel_failed", channel=channel.name, delivery=job.id)
            return Unclear(f"the channel failed: {type(error).__name__}")

    async def _find(self, channel: Channel, job: Job, reference: Reference) -> Sent | None:
        try:
            async with asyncio.timeout(FIND_SECONDS):
                return await channel.find(job.to.address, reference)
        except TimeoutError:
            return None

    def _message(self, job: Job) -> Message:
        if job.batch:
            return self._writer.summary(job.topics, job.to, repeated=job.ambiguous)
        return self._writer.alert(job.topics[0], job.to, repeated=job.ambiguous)

    async def _world(self, conn: AsyncConnection, waiting: Sequence[queue.Waiting], now: datetime) -> World:
        facts = await store.directory(conn, sorted({each.delivery.account_id for each in waiting}))
        accounts = {each: directory.account(each, known, now, self._writer.zone) for each, known in facts.items()}
        partitions = sorted({each.delivery.partition for each in waiting})
        heads = {
            each: Head(await positions.cluster_of(conn, each), await positions.positions(conn, each))
            for each in partitions
        }
        return World(accounts, self._channels, heads, now)

    async def _drop(self, conn: AsyncConnection, choice: Choice, now: datetime) -> None:
        if choice.withdrawn:
            await queue.end(conn, choice.withdrawn, "withdrawn", "resolved before it was sent", now)
        if choice.unreachable:
            ids = [each.id for each in choice.unreachable]
            await queue.end(conn, ids, routing.FAILED, "nobody can be reached over this channel", now)
            await self._fall_back(conn, choice.unreachable, now)

    async def _take(
        self, conn: AsyncConnection, jobs: Sequence[Job], room: int, now: datetime
    ) -> list[tuple[Job, delivery.Lease]]:
        busy = await queue.busy_recipients(conn, [job.to.key for job in jobs], now)
        until = now + delivery.LEASE
        wanted = {job.to.key: (job, delivery.Lease(token_hex(16), until)) for job in jobs if job.to.key not in busy}
        wanted = dict(list(wanted.items())[:room])
        held = await queue.hold_recipients(conn, {key: lease.token for key, (_, lease) in wanted.items()}, now, until)
        taken = []
        for job, lease in (wanted[key] for key in sorted(held)):
            ids = tuple(each.id for each in job.deliveries)
            started = await queue.start(conn, queue.Claim(ids, job.tiers, job.to.key, lease.token, job.batch), until)
            if started:
                taken.append((job.of(started), lease))
            else:
                await queue.release_recipient(conn, job.to.key, lease.token, now)
        return taken

    async def _give_up(
        self, conn: AsyncConnection, dead: Sequence[queue.Delivery], settled: delivery.Settled, now: datetime
    ) -> None:
        """Let wait on what nobody else could be told instead, where the outcome allows it; fall back for the others."""
        stuck: set[str] = set()
        if settled.if_last:
            tried = await self._tried(conn, dead)
            stuck = {each.id for each, alert, told in tried if routing.is_last(alert.severity, told, self._channels)}
            await queue.wait_on(conn, sorted(stuck), settled.if_last)
        for each in (each for each in dead if each.id in stuck):
            STUCK.labels(each.channel).inc()
            log.error("delivery_stuck", delivery=each.id, account=each.account_id, attempts=each.attempts)
        await self._fall_back(conn, [each for each in dead if each.id not in stuck], now)

    async def _fall_back(self, conn: AsyncConnection, dead: Sequence[queue.Delivery], now: datetime) -> None:
        """Plan what comes after dead deliveries; they themselves stay where they can be seen."""
        planned = []
        for each, alert, told in await self._tried(conn, dead):
            steps = routing.after_death(alert.severity, told, self._channels)
            planned += [queue.Planned(alert, each.partition, each.rank, *step, now) for step in steps]
            DEAD.labels(each.channel).inc()
            log.error("delivery_dead", delivery=each.id, account=each.account_id, reason=each.reason, next=steps)
        await queue.plan(conn, planned, now)

    async def _tried(
        self, conn: AsyncConnection, dead: Sequence[queue.Delivery]
    ) -> list[tuple[queue.Delivery, Alert, routing.Told]]:
        """Return dead deliveries with their alerts and what was tried for the same message."""
        await queue.take_turns(conn)
        told = await queue.of_alerts(conn, sorted({each.alert_id for each in dead}))
        tried: list[tuple[queue.Delivery, Alert, routing.Told]] = []
        for each in dead:
            if stored := await store.alert(conn, each.alert_id):
                same = [(d.tier, d.channel, d.state) for d in told[each.alert_id] if d.rank == each.rank]
                tried.append((each, stored.alert, same))
        return tried
