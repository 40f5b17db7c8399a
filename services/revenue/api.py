"""The HTTP API of revenue: retention of the portfolio; ledger and MRR of an account. Bodies depend on facts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, Field

from services.revenue import answers, reads
from services.revenue.facts import LATEST
from services.revenue.retention import retention
from services.revenue.store import Window
from shared.clock import now
from shared.errors import BadRequest
from shared.http import create_app
from shared.kafka import partition_of
from shared.moments import day, moment
from shared.pages import MOST, decode_cursor, page

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from services.revenue.facts import Fact
    from shared.consuming import Runtime
    from shared.db import Database
    from shared.http import Kit

PROFILES: Final = ("standard",)


class Times(BaseModel):
    """From where one looks. RFC 3339, or a date: the end of that day. Now, and all that is known, unless given."""

    as_of: str | None = None
    known_at: str | None = None


class LedgerQuery(Times):
    """Which rows of a ledger: those in force, or with `history` all that ever were."""

    history: bool = False
    limit: int = Field(100, ge=1, le=MOST)
    cursor: str | None = None


class RetentionQuery(BaseModel):
    """Which two days to compare, by which definition, in which currency."""

    first: str = Field(alias="from")
    last: str = Field(alias="to")
    profile: str = "standard"
    currency: str | None = Field(None, pattern="^[A-Z]{3}$")
    known_at: str | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What the routes read from: the database, the vendor's time zone, and how many partitions accounts fall into."""

    database: Database
    zone: ZoneInfo
    partitions: int

    def view(self, times: Times) -> reads.View:
        """Read the two times of a question. What takes effect later than now does not count yet, whoever asks."""
        seen = min(moment(times.as_of, self.zone), now()) if times.as_of else now()
        return reads.View(seen, moment(times.known_at, self.zone) if times.known_at else LATEST)

    async def facts(self, account_id: str, view: reads.View) -> tuple[list[Fact], dict[str, Any]]:
        """Return the facts of an account in view, and the remark that they may not be all."""
        async with self.database.snapshot() as conn:
            facts = await reads.account_facts(conn, account_id, view, self.zone)
            mine = [partition_of(account_id.encode(), self.partitions)]
            return facts, await reads.remark(conn, mine, view.known_at)


def build_api(runtime: Runtime, kit: Kit) -> FastAPI:
    """Return the app with revenue's routes."""
    app = create_app("revenue", kit)
    books = Books(runtime.database, runtime.settings.time_zone, runtime.settings.partitions)
    app.include_router(retention_routes(books))
    app.include_router(account_routes(books))
    return app


def retention_routes(books: Books) -> APIRouter:
    """Return the routes about all accounts together."""
    router = APIRouter()

    @router.get("/v1/retention")
    async def get_retention(query: Annotated[RetentionQuery, Query()]) -> dict[str, Any]:
        """Compare every customer's MRR at the end of two days."""
        if query.profile not in PROFILES:
            raise BadRequest(f"There is no profile {query.profile[:50]!r}. Known profiles: {', '.join(PROFILES)}.")
        view = books.view(Times(known_at=query.known_at))
        window = Window(day(query.first), day(query.last), view.known_at)
        if window.first > window.last:
            raise BadRequest("from must not be later than to.")
        async with books.database.snapshot() as conn:
            found = await reads.all_balances(conn, window, view.as_of, books.zone)
            remark = await reads.remark(conn, range(books.partitions), window.known_at)
        currency, balances = reads.in_one_currency(found, query.currency)
        return answers.retention_answer(retention(balances), window, query.profile, currency) | remark

    return router


def account_routes(books: Books) -> APIRouter:
    """Return the routes about one account. An account id may contain slashes."""
    router = APIRouter(prefix="/v1/accounts/{account_id:path}")

    @router.get("/ledger")
    async def get_ledger(account_id: str, query: Annotated[LedgerQuery, Query()]) -> dict[str, Any]:
        """List an account's movements as they are in force, or with `history` all that ever were."""
        after = _after(query.cursor)
        facts, remark = await books.facts(account_id, books.view(query))
        items = [
            item
            for item in answers.ledger_items(facts, with_history=query.history)
            if after is None or answers.place(item) > after
        ]
        return {"account_id": account_id} | page(items[: query.limit + 1], query.limit, answers.place) | remark

    @router.get("/mrr")
    async def get_mrr(account_id: str, query: Annotated[Times, Query()]) -> dict[str, Any]:
        """Return an account's MRR per currency, with the next end of a term that it rests on."""
        view = books.view(query)
        facts, remark = await books.facts(account_id, view)
        items = answers.mrr_items(facts, view.as_of.astimezone(books.zone).date())
        return {"account_id": account_id, "items": items, "next_cursor": None} | remark

    return router


def _after(cursor: str | None) -> answers.Place | None:
    if cursor is None:
        return None
    try:
        place: answers.Place = msgspec.convert(decode_cursor(cursor), answers.Place)
    except msgspec.ValidationError:
        raise BadRequest("The cursor is not one of this list. Take next_cursor from the former page.") from None
    return place
