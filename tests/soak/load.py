"""A steady stream of events over HTTP: a request goes out when it is time, not when the last was answered."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNTS = 200
PEOPLE = 20
KINDS = 10
REQUESTS_A_SECOND = 25
BILLING_EVERY = 25  # one bill a second among the usage, and now and then somebody important leaves
LEAVING_EVERY = 500
BEHIND_SECONDS = 1.0


@dataclass(slots=True)
class Load:
    """Posts `rate` events a second to ingest; counts those accepted and the requests that had to be repeated."""

    url: str
    key: str
    rate: int
    accepted: int = 0
    repeated: int = 0
    behind: float = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _random: random.Random = field(default_factory=lambda: random.Random(4))

    async def run(self, stop: asyncio.Event) -> None:
        """Post until told to stop; what is under way then is waited for."""
        pause, due = 1 / REQUESTS_A_SECOND, time.monotonic()
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(timeout=30, limits=limits) as client, asyncio.TaskGroup() as sending:
            for number in itertools.count():
                if stop.is_set():
                    return
                body = [self._event(number, n) for n in range(self.rate // REQUESTS_A_SECOND)]
                sending.create_task(self._post(client, body))
                due += pause
                self.behind = max(self.behind, time.monotonic() - due)
                await asyncio.sleep(max(0, due - time.monotonic()))

    async def _post(self, client: httpx.AsyncClient, body: list[dict[str, Any]]) -> None:
        headers = {"x-write-key": self.key, "content-type": "application/cloudevents-batch+json"}
        while True:
            try:
                answer = await client.post(f"{self.url}/v1/events", json=body, headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == httpx.codes.OK:
                self.accepted += int(answer.json()["accepted"])
                return
            self.repeated += 1
            await asyncio.sleep(0.5)

    def _event(self, request: int, place: int) -> dict[str, Any]:
        number = next(self._numbers)
        account = f"soak-{self._random.randrange(ACCOUNTS)}"
        kind, data = self._news(request, number) if place == 0 else ("usage.recorded", self._usage())
        return {
            "specversion": "1.0",
            "id": f"soak-{number}",
            "source": "local",
            "type": f"kizuna.{kind}",
            "subject": account,
            "time": datetime.now(UTC).isoformat(),
            "data": data,
        }

    def _usage(self) -> dict[str, Any]:
        return {"event": f"kind_{self._random.randrange(KINDS)}", "person_id": f"p{self._random.randrange(PEOPLE)}"}

    def _news(self, request: int, number: int) -> tuple[str, Mapping[str, Any]]:
        if request % LEAVING_EVERY == 1:
            return "contact.left", {"contact_id": f"c{number}", "evidence": "mail_bounced"}
        if request % BILLING_EVERY == 0:
            return "invoice.paid", {"invoice_id": f"i{number}", "amount": "100.00", "currency": "USD"}
        return "usage.recorded", self._usage()
