"""The HTTP API of health: an account's score at any time and what it rests on, its usage, and the portfolio."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, FastAPI, Query

from services.health import answers, portfolio, store, usage_store
from services.health.course import health, history
from services.health.desk import Desk, Times, View
from services.health.questions import FactsQuery, HistoryQuery, PortfolioQuery, Range, UsageQuery
from services.health.rulebook import Rulebook
from services.health.signal_api import signal_routes
from shared.consuming import Runtime
from shared.errors import BadRequest
from shared.http import Kit, create_app
from shared.moments import day
from shared.pages import decode_cursor, page

HISTORY_DAYS = 400
DEFAULT_DAYS = 28
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2200, 12, 31)


def build_api(rules: Rulebook, runtime: Runtime, kit: Kit) -> FastAPI:
    """Return the app with health's routes."""
    app = create_app("health", kit)
    desk = Desk(runtime.database, rules, runtime.settings.time_zone, runtime.settings.partitions)
    app.include_router(explaining_routes(desk))
    app.include_router(account_routes(desk))
    app.include_router(signal_routes(desk))
    app.include_router(portfolio_routes(desk))
    return app


def explaining_routes(desk: Desk) -> APIRouter:
    """Return the routes that say how a score came about. An account id may contain slashes."""
    router = APIRouter(prefix="/v1/accounts/{account_id:path}/health")

    @router.get("/history")
    async def get_history(account_id: str, query: Annotated[HistoryQuery, Query()]) -> dict[str, Any]:
        """List the score at the end of each day, oldest first; by default the last 28 days that have ended."""
        view = desk.view(None, query.known_at)
        definition = desk.rules.definition(query.definition)
        first, last = _days(query, view, desk.zone)
        async with desk.database.snapshot() as conn:
            facts = await desk.facts(conn, account_id, view, first - store.LOOK_BACK)
            remark = await desk.remark(conn, account_id, view)
        days = history(facts, first, last, definition, desk.rules.measures)
        items = [answers.day_answer(each) for each in days]
        return {"account_id": account_id, "definition": definition.name, "items": items, "next_cursor": None} | remark

    @router.get("/facts")
    async def get_facts(account_id: str, query: Annotated[FactsQuery, Query()]) -> dict[str, Any]:
        """List what a component rests on: events, or days of usage."""
        view = desk.view(query.as_of, query.known_at)
        measure = desk.rules.measure(query.measure)
        start = _place(query.cursor, int) or 0
        async with desk.database.snapshot() as conn:
            facts = await desk.facts(conn, account_id, view, (view.as_of - store.LOOK_BACK).date())
            remark = await desk.remark(conn, account_id, view)
        reading = measure.read(facts.at(view.as_of), view.as_of)
        basis = enumerate(reading.basis if reading else (), start=1)
        rest = [(place, answers.basis_answer(each)) for place, each in basis if place > start]
        listed = page(rest[: query.limit + 1], query.limit, lambda each: each[0])
        items = {"items": [item for _, item in listed["items"]], "next_cursor": listed["next_cursor"]}
        return {"account_id": account_id, "measure": measure.name} | items | remark

    return router


def account_routes(desk: Desk) -> APIRouter:
    """Return the routes about one account."""
    router = APIRouter(prefix="/v1/accounts/{account_id:path}")

    @router.get("/health")
    async def get_health(account_id: str, query: Annotated[Times, Query()]) -> dict[str, Any]:
        """Return an account's health, computed from the facts."""
        view = desk.view(query.as_of, query.known_at)
        definition = desk.rules.definition(query.definition)
        async with desk.database.snapshot() as conn:
            facts = await desk.facts(conn, account_id, view, (view.as_of - store.LOOK_BACK).date())
            remark = await desk.remark(conn, account_id, view)
        found = health(facts, view.as_of, definition, desk.rules.measures)
        return answers.health_answer(account_id, found, view.shown_known_at) | remark

    @router.get("/usage")
    async def get_usage(account_id: str, query: Annotated[UsageQuery, Query()]) -> dict[str, Any]:
        """Count an account's usage by day, event and actor; `total` is the sum of all quantities in the range."""
        view = desk.view(None, query.known_at)
        first = day(query.first) if query.first else FIRST_DAY
        last = day(query.last) if query.last else LAST_DAY
        after = _place(query.cursor, tuple[str, str, str])
        async with desk.database.snapshot() as conn:
            await desk.facts(conn, account_id, view, LAST_DAY)
            rows = await usage_store.counts(conn, account_id, first, last, view.known_at)
            same = await store.same_persons_of(conn, account_id, view.known_at)
            remark = await desk.remark(conn, account_id, view)
        items = [each for each in answers.usage_answer(rows, same) if after is None or _usage_place(each) > after]
        total = answers.number(sum((row.quantity for row in rows), Decimal(0)))
        listed = page(items[: query.limit + 1], query.limit, _usage_place)
        return {"account_id": account_id, "total": total} | listed | remark

    return router


def portfolio_routes(desk: Desk) -> APIRouter:
    """Return the routes about all accounts."""
    router = APIRouter()

    @router.get("/v1/portfolio")
    async def get_portfolio(query: Annotated[PortfolioQuery, Query()]) -> dict[str, Any]:
        """List accounts as the last evaluation found them, the worst first unless told otherwise."""
        after = _place(query.cursor, tuple[Decimal, str, str])
        filters = {"owner": query.owner, "band": query.band, "tier": query.tier}
        async with desk.database.snapshot() as conn:
            items = await portfolio.listing(conn, filters, query.sort, after, query.limit + 1)
        listed = page(items, query.limit, lambda item: item["place"])
        for item in listed["items"]:
            del item["place"]
        return listed

    return router


def _days(query: Range, view: View, zone: ZoneInfo) -> tuple[date, date]:
    yesterday = view.as_of.astimezone(zone).date() - timedelta(days=1)
    last = min(day(query.last), yesterday) if query.last else yesterday
    if last < FIRST_DAY:
        raise BadRequest(f"Nothing is known of days before {FIRST_DAY}.")
    first = max(day(query.first), FIRST_DAY) if query.first else last - timedelta(days=DEFAULT_DAYS - 1)
    if (last - first).days >= HISTORY_DAYS:
        raise BadRequest(f"Ask for at most {HISTORY_DAYS} days at once.")
    return first, last


def _usage_place(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["day"], item["event"], item["actor"]


def _place(cursor: str | None, kind: Any) -> Any:
    try:
        return None if cursor is None else msgspec.convert(decode_cursor(cursor), kind)
    except msgspec.ValidationError:
        raise BadRequest("The cursor is not one of this list. Take next_cursor from the former page.") from None
