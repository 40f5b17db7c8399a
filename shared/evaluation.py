"""The evaluation loop: accounts that are due, once each, in short transactions that write state and outbox together."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from shared import due, outbox
from shared.clock import now
from shared.errors import LeaseLost
from shared.observability import EVALUATED, EVALUATION_FAILURES
from shared.trouble import is_world_trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.absorb import DueAccount, Evaluator
    from shared.db import Database
    from shared.due import Pace
    from shared.leases import Leases
    from shared.outbox import Relay

log = structlog.get_logger()

BATCH_ACCOUNTS = 20
IDLE_SECONDS = 0.25
TROUBLE_SECONDS = 1.0


class EvaluationLoop:
    """Evaluates the due accounts of the partitions this replica owns."""

    def __init__(self, database: Database, leases: Leases, evaluator: Evaluator, relay: Relay, pace: Pace) -> None:
        self._database = database
        self._leases = leases
        self._evaluator = evaluator
        self._relay = relay
        self._pace = pace
        self.beat = time.monotonic()
        self.last: datetime | None = None  # when accounts were last evaluated
        self._troubled: list[str] = []  # the accounts of the last round, where the world was in its way

    async def run(self, stop: asyncio.Event, wake: asyncio.Event, behind: Callable[[], bool] = lambda: False) -> None:
        """Evaluate until told to stop; `wake` cuts the wait short, `behind` tells whether many records wait."""
        while not stop.is_set():
            self.beat = time.monotonic()
            try:
                busy = await self._round(behind=behind())
            except LeaseLost:
                busy = False
            except Exception as error:
                if not is_world_trouble(error):
                    raise
                log.warning("evaluation_waits", error=repr(error))
                await asyncio.sleep(TROUBLE_SECONDS)
                busy = False
            if not busy:
                await _wait(wake, IDLE_SECONDS)
                wake.clear()

    async def _round(self, *, behind: bool = False) -> bool:
        held = self._leases.held
        if not held:
            return False
        moment = now()
        usage_since = moment - self._pace.usage_patience if behind else None
        accounts: Sequence[DueAccount] = []
        try:
            async with self._database.transaction() as conn:
                await self._leases.check(conn, held)
                accounts = await due.take(conn, held, moment, BATCH_ACCOUNTS, usage_since=usage_since)
                if not accounts:
                    return False
                await self._evaluate(conn, accounts, moment)
        except LeaseLost:
            raise
        except Exception as error:
            names = [each.account_id for each in accounts]
            if is_world_trouble(error) and (not names or names != self._troubled):
                self._troubled = names
                raise
            log.warning("evaluation_batch_failed", accounts=names, error=repr(error))
            await self._one_by_one(accounts, moment)
        self._troubled = []
        self._done()
        return True

    async def _evaluate(self, conn: AsyncConnection, accounts: Sequence[DueAccount], moment: datetime) -> None:
        partition = {each.account_id: each.partition for each in accounts}
        evaluated = await self._evaluator.evaluate(conn, accounts, moment)
        await outbox.emit(
            conn, [(event, partition[each.account_id]) for each in evaluated for event in each.emit], moment
        )
        await due.settle(conn, evaluated, moment, self._pace)
        EVALUATED.inc(len(evaluated))

    async def _one_by_one(self, accounts: Sequence[DueAccount], moment: datetime) -> None:
        """Evaluate each account alone, so that one that fails delays no other. It is tried again, ever more rarely.

        So is one that alone takes longer than a transaction may. Where the database is away putting it off fails, too.
        """
        for account in accounts:
            try:
                async with self._database.transaction() as conn:
                    await self._leases.check(conn, [account.partition])
                    await self._evaluate(conn, [account], moment)
            except LeaseLost:
                raise
            except Exception:  # whatever is wrong with one, the others have their turn, and the log says what it was
                EVALUATION_FAILURES.inc()
                log.exception("evaluation_failed", account_id=account.account_id)
                async with self._database.transaction() as conn:
                    await self._leases.check(conn, [account.partition])
                    await due.postpone(conn, account.account_id, moment)

    def _done(self) -> None:
        self.last = now()
        self._relay.wake.set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
