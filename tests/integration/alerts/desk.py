"""One replica of alerts without a broker: a test tells it events and lets it look and send."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.alerts.absorb import AlertsAbsorber
from services.alerts.api import shown
from services.alerts.channel import Channel
from services.alerts.content import Writer
from services.alerts.dispatch import Dispatcher
from services.alerts.evaluate import AlertsEvaluator
from services.alerts.links import Links
from services.alerts.settings import Settings
from services.alerts.store import Wanted, list_alerts
from shared.absorb import DueAccount, Evaluated, Received
from shared.db import Database
from shared.events import Event, topic_of

PATIENCE = 15.0
Items = list[dict[str, Any]]


@dataclass
class Desk:
    """One replica of alerts. `ahead` moves its clock."""

    database: Database
    settings: Settings
    channels: dict[str, Channel]
    ahead: timedelta = timedelta()
    emitted: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.links = Links(self.settings.link_secret.get_secret_value(), self.settings.public_url)
        self.evaluator = AlertsEvaluator(self.channels)
        writer = Writer(self.links, self.settings.time_zone)
        self.dispatcher = Dispatcher(self.database, self.channels, writer, self.now)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def tell(self, *events: Event) -> None:
        """Absorb events and evaluate the accounts they make due."""
        absorber = AlertsAbsorber()
        received = [Received(event, topic_of(event.type), 0, number) for number, event in enumerate(events)]
        async with self.database.transaction() as conn:
            due = await absorber.absorb(conn, received)
        await self.look(*{each.account_id for each in due})

    async def look(self, *accounts: str) -> None:
        async with self.database.transaction() as conn:
            due = [DueAccount(each, 0) for each in accounts]
            done: list[Evaluated] = list(await self.evaluator.evaluate(conn, due, self.now()))
        self.emitted += [event for each in done for event in each.emit]

    async def send(self) -> int:
        """Look once for what can go out, and wait until it has."""
        started = await self.dispatcher.tick()
        await self.dispatcher.drain()
        return started

    async def send_until(self, condition: Callable[[Items], bool]) -> Items:
        """Keep sending until the alerts, as the API shows them, are as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not condition(items := await self.alerts()):
                await self.send()
                await asyncio.sleep(0.05)
        return items

    async def alerts(self, **wanted: Any) -> Items:
        async with self.database.snapshot() as conn:
            return await shown(conn, await list_alerts(conn, Wanted(**wanted), 500, self.now()), self.now())


def all_sent(items: Items) -> bool:
    states = [each["state"] for item in items for each in item["deliveries"]]
    return bool(states) and all(state == "sent" for state in states)
