"""Owns waiting until the consuming services have read and sent everything, before a broker that may forget it stops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from deploy.local.plan import ARCHIVE
from deploy.local.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE_UNREAD: Final = "kizuna_archive_unread_records"
_TIMEOUT: Final = 3.0
_QUIET_SWEEPS: Final = 3  # services feed one another in a circle: one quiet look at each may miss what travels


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one service has before it: `lag` records to read, `outbox` events to send. None: it did not say."""

    lag: int | None
    outbox: int | None

    @property
    def empty(self) -> bool:
        """Whether there is surely nothing left."""
        return self.lag == 0 and self.outbox == 0

    def left(self, *, forgets: bool) -> str:
        """Say what happens to the rest when the broker stops now; `forgets` if it keeps no records."""
        fate = "lost" if forgets else "kept by the broker"
        if self.lag is None:
            return f"does not say how far it has read; what it has not read is {fate}"
        return f"{self.lag} records not read are {fate}; {self.outbox} events not sent stay in its database"


def drain(urls: Mapping[str, str], token: str, patience: float) -> dict[str, Backlog]:
    """Wait until every service (base URL by name) is empty; returns those that are not after `patience` seconds."""
    with httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=_TIMEOUT) as client:
        left: dict[str, Backlog] = {}
        quiet = 0

        def drained() -> bool:
            nonlocal left, quiet
            found = {name: backlog(client, name, url) for name, url in urls.items()}
            left = {name: each for name, each in found.items() if not each.empty}
            quiet = 0 if left else quiet + 1
            return quiet == _QUIET_SWEEPS

        return {} if wait_for(drained, patience, every=0.3) else left


def backlog(client: httpx.Client, name: str, url: str) -> Backlog:
    """Ask one service how much it has before it; one that owns no partition at the moment does not know."""
    try:
        if name == ARCHIVE:
            return _of_archive(client.get(f"{url}/metrics").raise_for_status().text)
        answer = client.get(f"{url}/v1/status").raise_for_status().json()
        return Backlog(answer["lag"] if answer["partitions"] else None, answer["outbox"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return Backlog(None, None)


def _of_archive(metrics: str) -> Backlog:
    """Read what the archive says in its metrics; what it has read it writes when it is told to stop."""
    [unread] = re.findall(rf"^{ARCHIVE_UNREAD} (\S+)$", metrics, re.MULTILINE)
    return Backlog(None if unread == "NaN" else int(float(unread)), 0)
