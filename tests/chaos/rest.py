"""Waiting until all is healed and at rest, by what the database and the broker say."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import httpx
from aiokafka.errors import KafkaError
from asyncpg.exceptions import InterfaceError, PostgresError

from deploy.local.plan import CONSUMERS
from tests.chaos.reading import unread

if TYPE_CHECKING:
    from tests.chaos.cluster import Cluster

REST_SECONDS: Final = 90.0
QUIET_LOOKS: Final = 3  # services feed one another in a circle
OPEN: Final = """select count(*)::int as n from {0}.account_due
                 where due_at < now() + interval '10 seconds' or urgency is not null"""
OUTBOX: Final = "select count(*)::int as n from {0}.outbox"
DELIVERIES: Final = "select count(*)::int as n from alerts.delivery where state in ('pending', 'sending', 'ambiguous')"


async def rest(cluster: Cluster, seconds: float = REST_SECONDS) -> str:
    """Return "" when nothing is left to do, else what still was when the patience ended."""
    ends, quiet, left = time.monotonic() + seconds, 0, "nothing seen"
    while quiet < QUIET_LOOKS:
        if time.monotonic() > ends:
            return left
        try:
            left = await _left(cluster)
        except (KafkaError, OSError, PostgresError, InterfaceError) as error:
            left = f"cannot look: {error!r}"
        quiet = 0 if left else quiet + 1
        await asyncio.sleep(0.5)
    return ""


async def _left(cluster: Cluster) -> str:
    questions = {f"{name} due": OPEN.format(name) for name in CONSUMERS}
    questions |= {f"{name} outbox": OUTBOX.format(name) for name in CONSUMERS}
    questions["deliveries"] = DELIVERIES
    counts = {what: (await cluster.sql(question))[0]["n"] for what, question in questions.items()}
    counts |= {f"{place} unread": n for place, n in (await unread(cluster)).items()}
    return ", ".join(f"{what} {n}" for what, n in counts.items() if n)


class Postbox:
    """Keeps what the inbox has taken, beyond the thousand messages that it keeps itself."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._found: dict[tuple[str, str, str], dict[str, Any]] = {}

    async def empty(self) -> list[dict[str, Any]]:
        """Return all messages so far."""
        answer = await self._cluster.http.get(f"{self._cluster.url('inbox')}/messages")
        for each in answer.raise_for_status().json()["items"]:
            self._found[each["channel"], each["to"], each["received_at"]] = each
        return list(self._found.values())

    async def keep(self) -> None:
        """Empty it now and then, until cancelled."""
        while True:
            with suppress(httpx.HTTPError):  # busy: next time
                await self.empty()
            await asyncio.sleep(5)
