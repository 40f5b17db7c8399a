"""Decisions out: health and signals of the accounts that are due, stored and told. Pure functions do the deciding."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.health import portfolio, store
from services.health.course import health
from services.health.detect import Detected, Looked, detect
from services.health.facts import AccountFacts
from services.health.rulebook import Rulebook
from services.health.standing import Before, Standing, change_of, standing
from shared.absorb import DueAccount, Evaluated
from shared.events import Event


class HealthEvaluator:
    """Evaluates by the standard definition. `zone` is the deployment's time zone, at whose midnights scores are due."""

    def __init__(self, rules: Rulebook, zone: tzinfo) -> None:
        self._rules = rules
        self._zone = zone

    async def evaluate(
        self, conn: AsyncConnection, accounts: Sequence[DueAccount], now: datetime
    ) -> Sequence[Evaluated]:
        """Look at accounts as of now: what has changed is sent, and each is looked at again at the next midnight."""
        names = [each.account_id for each in accounts]
        loaded = await store.load(conn, names, self._zone, (now - store.LOOK_BACK).date())
        known = [Looked(loaded[each.account_id], each.partition) for each in accounts if each.account_id in loaded]
        before = await portfolio.load_before(conn, names)
        detected = await detect(conn, known, self._rules.standard.signals, self._rules.detectors, now)
        standings, evaluated = [], []
        for looked, found in zip(known, detected, strict=True):
            await asyncio.sleep(0)  # a score takes milliseconds: let requests and records in between
            was = before.get(found.account_id)
            stands = self._stand(looked.facts, found, was, now)
            standings.append(stands)
            evaluated.append(self._evaluated(looked.facts, found, change_of(stands, was), now))
        await portfolio.save(conn, standings)
        return evaluated

    def _stand(self, facts: AccountFacts, found: Detected, before: Before | None, now: datetime) -> Standing:
        course = health(facts, now, self._rules.standard, self._rules.measures)
        return standing(facts, course, found.open, before)

    def _evaluated(self, facts: AccountFacts, found: Detected, change: Event | None, now: datetime) -> Evaluated:
        midnight = facts.midnight(now.astimezone(self._zone).date() + timedelta(days=1))
        look = min(midnight, found.next_look or midnight)
        return Evaluated(found.account_id, look, (*([change] if change else ()), *found.emit))
