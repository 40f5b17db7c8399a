"""HTTP: alerts listed and explained, acknowledged and resolved."""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from fastapi import Body, FastAPI, Query, Request
from pydantic import BaseModel, Field

from services.alerts import acting, directory, queue, store
from services.alerts.acting import Wish
from services.alerts.store import Stored, Wanted
from shared.clock import now
from shared.errors import BadRequest, NotFound
from shared.events.fields import Instant
from shared.http import caller
from shared.pages import Limit, decode_cursor, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.alerts.acting import Acting
    from services.alerts.directory import Person
    from services.alerts.queue import Delivery
    from shared.db import Database


class Resolution(BaseModel):
    """How an alert ended."""

    verdict: Literal["true", "false_alarm", "duplicate", "known"]
    note: str | None = Field(default=None, max_length=2000)


class Filter(BaseModel):
    """Which alerts to list. `owner` is the id of the csm whom the account has now."""

    account: str | None = Field(default=None, max_length=255)
    state: Literal["open", "acknowledged", "resolved"] | None = None
    signal: str | None = Field(default=None, max_length=255)
    owner: str | None = Field(default=None, max_length=255)


def add_routes(app: FastAPI, database: Database, doing: Acting) -> None:
    """Add the routes of alerts."""
    _add_reads(app, database)
    _add_acts(app, database, doing)


def _add_reads(app: FastAPI, database: Database) -> None:
    @app.get("/v1/alerts")
    async def alerts(
        wanted: Annotated[Filter, Query()], limit: Limit = 100, cursor: Annotated[str | None, Query()] = None
    ) -> dict[str, Any]:
        """List alerts, newest first."""
        which = Wanted(wanted.account, wanted.state, wanted.signal, wanted.owner, _after(cursor))
        moment = now()
        async with database.snapshot() as conn:
            found = await store.list_alerts(conn, which, limit + 1, moment)
            items = await shown(conn, found, moment)
        return page(items, limit, lambda item: [item["opened_at"], item["id"]])

    @app.get("/v1/alerts/{alert_id}")
    async def alert(alert_id: str) -> dict[str, Any]:
        """Return one alert with its history: when, what, who."""
        return await _one(database, alert_id)


def _add_acts(app: FastAPI, database: Database, doing: Acting) -> None:
    @app.post("/v1/alerts/{alert_id}/acknowledge")
    async def acknowledge(alert_id: str, request: Request) -> dict[str, Any]:
        """Say that the caller looks at it; saying it again changes nothing."""
        await doing.act(Wish(alert_id, caller(request).id, token_hex(16), acting.API), now())
        return await _one(database, alert_id)

    @app.post("/v1/alerts/{alert_id}/resolve")
    async def resolve(alert_id: str, request: Request, resolution: Annotated[Resolution, Body()]) -> dict[str, Any]:
        """End it with a verdict; the same verdict again changes nothing, another one is a conflict."""
        who = caller(request).id
        wish = Wish(alert_id, who, token_hex(16), acting.API, resolution.verdict, resolution.note)
        await doing.act(wish, now())
        return await _one(database, alert_id)


async def shown(conn: AsyncConnection, found: Sequence[Stored], moment: datetime) -> list[dict[str, Any]]:
    """Return alerts as the API shows them, with owner and deliveries."""
    facts = await store.directory(conn, sorted({each.alert.account_id for each in found}))
    deliveries = await queue.of_alerts(conn, [each.alert.id for each in found])
    accounts = {each: directory.account(each, known, moment) for each, known in facts.items()}
    items = []
    for each in found:
        account = accounts[each.alert.account_id]
        owner = account.owners.get("csm")
        items.append(_item(each, owner, deliveries[each.alert.id]) | {"account_name": account.name})
    return items


async def _one(database: Database, alert_id: str) -> dict[str, Any]:
    async with database.snapshot() as conn:
        found = await store.alert(conn, alert_id)
        if found is None:
            raise NotFound(f"There is no alert {alert_id!r}.")
        item = (await shown(conn, [found], now()))[0]
    return item | {"history": [msgspec.to_builtins(step) for step in found.alert.history]}


def _item(stored: Stored, owner: Person | None, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    alert = stored.alert
    return {
        "id": alert.id,
        "account_id": alert.account_id,
        "signal": alert.latest.signal,
        "subject_id": alert.latest.subject_id,
        "severity": alert.severity,
        "state": alert.state,
        "verdict": alert.verdict,
        "historical": alert.historical,
        "late": alert.latest.late,
        "opened_at": alert.opened_at,
        "since": alert.latest.since,
        "evidence": [msgspec.to_builtins(each) for each in alert.evidence],
        "next_step": msgspec.to_builtins(alert.latest.next_step),
        "owner": owner.id if owner else None,
        "owner_name": owner.name if owner else None,
        "deliveries": [_delivery(each) for each in deliveries],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    """Show a delivery; one that is being sent is pending until an answer came."""
    return {
        "id": delivery.id,
        "channel": delivery.channel,
        "to": delivery.recipient.partition(":")[2] if delivery.recipient else None,
        "tier": delivery.tier,
        "state": "pending" if delivery.state == "sending" else delivery.state,
        "attempts": delivery.attempts,
        "repeated": delivery.repeated,
        "summary": delivery.batch,
        "reason": delivery.reason,
    }


def _after(cursor: str | None) -> tuple[datetime, str] | None:
    position = decode_cursor(cursor)
    if position is None:
        return None
    try:
        opened_at, alert_id = msgspec.convert(position, tuple[Instant, str])
        return opened_at.astimezone(UTC), alert_id
    except (msgspec.ValidationError, OverflowError):
        raise BadRequest("The cursor is not one of ours. Take next_cursor from the former page.") from None
