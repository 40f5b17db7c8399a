"""What people do to alerts, by API or link: one transaction records the act, folds it in and tells alerts.v1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.alerts import store
from services.alerts.episode import Act, changes, refusal
from shared import outbox
from shared.absorb import DueAccount
from shared.errors import Conflict, NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.alerts.episode import Verdict
    from services.alerts.evaluate import AlertsEvaluator
    from services.alerts.store import Stored
    from shared.db import Database

API: Final = "api"
LINK: Final = "link"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done. `key` makes it once only; without a verdict it acknowledges."""

    alert_id: str
    actor: str
    key: str
    way: str
    verdict: Verdict | None = None
    note: str | None = None


class Acting:
    """Does to alerts what people ask for."""

    def __init__(self, database: Database, evaluator: AlertsEvaluator) -> None:
        self._database = database
        self._evaluator = evaluator

    async def act(self, wish: Wish, now: datetime) -> tuple[Stored, bool]:
        """Do it; return the alert as it stands then, and whether anything changed.

        Raises:
            NotFound: there is no such alert.
            Conflict: the alert was resolved before, in another way.

        """
        async with self._database.transaction() as conn:
            found = await self._locked(conn, wish.alert_id)
            if await store.act_known(conn, wish.key):
                return found, False
            if why_not := refusal(found.alert, wish.verdict):
                raise Conflict(why_not)
            if not changes(found.alert, wish.verdict):
                return found, False
            # never before what it answers to: the signal may have been stamped by a clock that is ahead of ours
            at = max(now, found.alert.last.at)
            act = Act(wish.alert_id, at, wish.actor, wish.key, wish.verdict, wish.note)
            await store.add_act(conn, found.alert.account_id, act, wish.way)
            account = DueAccount(found.alert.account_id, found.partition)
            for evaluated in await self._evaluator.evaluate(conn, [account], now):
                await outbox.emit(conn, [(event, found.partition) for event in evaluated.emit], now)
            return await self._locked(conn, wish.alert_id), True

    async def _locked(self, conn: AsyncConnection, alert_id: str) -> Stored:
        known = await store.alert(conn, alert_id)
        if known is None:
            raise NotFound(f"There is no alert {alert_id!r}.")
        return (await store.lock_alerts(conn, [known.alert.account_id]))[alert_id]
