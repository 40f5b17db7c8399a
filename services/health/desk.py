"""From where a question looks at the facts: as of which moment, known by when; shared by all of health's routes."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.health import store
from services.health.facts import AccountFacts, account_facts
from services.health.rulebook import Rulebook
from shared.clock import now
from shared.db import Database
from shared.errors import NotFound
from shared.kafka import partition_of
from shared.moments import moment
from shared.positions import absorbed_through


class Times(BaseModel):
    """From where one looks. RFC 3339, or a date: the end of that day. By default now, and what is known now.

    Who gives only `known_at` asks what was to be seen then, so `as_of` is the same moment.
    """

    as_of: str | None = None
    known_at: str | None = None
    definition: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a question looks at: facts as known at one moment (None: all there are), as of another."""

    as_of: datetime
    known_at: datetime | None
    asked_at: datetime

    @property
    def shown_known_at(self) -> datetime:
        """The moment of knowing, for the answer."""
        return self.known_at or self.asked_at


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes read from: the database, the rules, the vendor's time zone, the number of partitions."""

    database: Database
    rules: Rulebook
    zone: ZoneInfo
    partitions: int

    def view(self, as_of: str | None, known_at: str | None) -> View:
        """Read the two times of a question. Raises BadRequest for what is no time."""
        asked_at = now()
        known = moment(known_at, self.zone) if known_at else None
        seen = moment(as_of, self.zone) if as_of else known or asked_at
        return View(min(seen, asked_at), known, asked_at)  # what takes effect later than now does not count yet

    async def facts(self, conn: AsyncConnection, account: str, view: View, since: date) -> AccountFacts:
        """Return what was known of an account. Raises NotFound where nothing ever was."""
        loaded = await store.load(conn, [account], self.zone, since, view.known_at)
        if account not in loaded and not await store.is_known(conn, account):
            raise NotFound(f"There is no account {account[:255]!r}: nothing was ever said about it.")
        return loaded.get(account) or account_facts(account, self.zone)

    async def remark(self, conn: AsyncConnection, account: str, view: View) -> dict[str, bool]:
        """Return what to add to an answer when something received before `known_at` may still wait to be read."""
        if view.known_at is None:
            return {}
        through = await absorbed_through(conn, partition_of(account.encode(), self.partitions))
        return {} if through is not None and through >= view.known_at else {"provisional": True}
