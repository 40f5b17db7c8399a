"""Decisions out: signals and acts folded into alerts, messages planned for what nobody was told, alerts.v1 informed."""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from services.alerts import queue, store
from services.alerts.delivery import LATE_WAIT
from services.alerts.episode import Alert, Said, Step, fingerprint, fold, unsaid
from services.alerts.routing import TIERS, channels_for
from services.alerts.store import Stored
from shared.absorb import DueAccount, Evaluated
from shared.events import AlertAcknowledged, AlertRaised, AlertResolved, Event, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.alerts.episode import Act

SOURCE: Final = "kizuna/alerts"


class AlertsEvaluator:
    """Brings the alerts of accounts up to date. `channels` are the names of the configured ones."""

    def __init__(self, channels: Iterable[str]) -> None:
        self._channels = tuple(channels)

    async def evaluate(
        self, conn: AsyncConnection, accounts: Sequence[DueAccount], now: datetime
    ) -> Sequence[Evaluated]:
        """Fold everything known of these accounts; time alone changes no alert, so no next look is asked for."""
        ids = [each.account_id for each in accounts]
        stored = await store.lock_alerts(conn, ids)
        said, acts = await store.said(conn, ids), await store.acts(conn, ids)
        alerts = {
            each: _folded(each.account_id, said.get(each.account_id, ()), acts.get(each.account_id, ()))
            for each in accounts
        }
        await self._plan(conn, alerts, now)
        changed = [
            Stored(alert, due.partition, len(alert.history))
            for due, folded in alerts.items()
            for alert in folded
            if alert.id not in stored or stored[alert.id].alert != alert
        ]
        await store.save_alerts(conn, changed)
        return [Evaluated(due.account_id, emit=tuple(_news(folded, stored, now))) for due, folded in alerts.items()]

    async def _plan(self, conn: AsyncConnection, alerts: Mapping[DueAccount, list[Alert]], now: datetime) -> None:
        ranks = await queue.said_ranks(conn, [alert.id for folded in alerts.values() for alert in folded])
        await queue.plan(
            conn,
            [
                queue.Planned(alert, due.partition, alert.rank, TIERS[0], channel, _not_before(alert, now))
                for due, folded in alerts.items()
                for alert in folded
                if unsaid(alert, ranks.get(alert.id))
                for channel in channels_for(alert.severity, self._channels)
            ],
            now,
        )


def announcements(alert: Alert, announced: int, now: datetime) -> list[Event]:
    """Return what `alerts.v1` must hear: the lines of the alert's history after the first `announced`. Pure."""
    steps = alert.history[announced:]
    return [_announcement(alert, step, now) for step in steps if step.what in _EVENTS]


def _announcement(alert: Alert, step: Step, now: datetime) -> Event:
    data = _EVENTS[step.what](
        alert_id=alert.id,
        signal=alert.latest.signal,
        severity=step.severity,
        actor=step.actor,
        verdict=step.verdict,
        **({"note": step.note} if step.note else {}),
    )
    told = f"{alert.id}|{step.what}|{step.at.isoformat()}|{step.actor}|{step.verdict}"
    name = blake2b(told.encode(), digest_size=16).hexdigest()
    return Event(name, SOURCE, type_of(data), alert.account_id, step.at, now, data)


def _folded(account_id: str, said: Iterable[Said], acts: Sequence[Act]) -> list[Alert]:
    chains: dict[str, list[Said]] = defaultdict(list)
    for each in said:
        chains[fingerprint(account_id, each.data)].append(each)
    return [alert for name in sorted(chains) for alert in fold(account_id, chains[name], acts)]


def _news(alerts: Iterable[Alert], stored: Mapping[str, Stored], now: datetime) -> Iterator[Event]:
    for alert in alerts:
        known = stored.get(alert.id)
        yield from announcements(alert, known.announced if known else 0, now)


def _not_before(alert: Alert, now: datetime) -> datetime:
    """Late alerts wait a moment for others of their kind, so that a flood of them becomes one summary."""
    return now + LATE_WAIT if alert.latest.late else now


_EVENTS: Final = {
    "raised": AlertRaised,
    "relapsed": AlertRaised,
    "acknowledged": AlertAcknowledged,
    "resolved": AlertResolved,
    "cleared": AlertResolved,
}
