"""Ingest's API beside the hot routes: write keys, what waits, what was refused, and how ingest stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Body, FastAPI, Path, Query, Request
from pydantic import BaseModel, Field

from services.ingest import items, queries
from services.ingest.keys import WriteKey, checked_scopes, checked_source, digest_of, new_key
from services.ingest.origin import Origin
from shared import deadletters
from shared.clock import now
from shared.errors import BadEvent, BadRequest, NotFound
from shared.http import Kit, caller, check_routes, create_app
from shared.pages import BIGINT, Limit, decode_cursor, decode_number, page
from shared.runtime_api import ReplayRequest, found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from services.ingest.keys import KeyRing
    from services.ingest.publish import Intake
    from shared.db import Database
    from shared.produce import Publisher

Cursor = Annotated[str | None, Query()]


class KeyRequest(BaseModel):
    """What a new key is for. `source` is what its events are called from, also after the key is replaced."""

    source: str
    name: str | None = Field(default=None, max_length=200)
    scopes: list[str] = ["write"]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the API works with."""

    database: Database
    publisher: Publisher
    intake: Intake
    keys: KeyRing


def build_api(desk: Desk, kit: Kit) -> FastAPI:
    """Return the FastAPI app with all routes but the hot ones."""
    app = create_app("ingest", kit)
    _add_keys(app, desk)
    _add_waiting(app, desk)
    _add_dead_letters(app, desk)
    _add_standing(app, desk)
    return check_routes(app)


def _add_keys(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/keys")
    async def create(request: Request, wish: Annotated[KeyRequest, Body()]) -> dict[str, Any]:
        """Make a write key. The answer is the only place where it is ever shown."""
        secret, public = new_key()
        scopes = checked_scopes(wish.scopes)
        key = WriteKey(public, digest_of(secret), checked_source(wish.source), frozenset(scopes))
        name = _text(wish.name)
        async with desk.database.transaction() as conn:
            await queries.add_key(conn, key, name, caller(request).id, now())
        await desk.keys.renew()
        return {"id": public, "key": secret, "name": name, "source": key.source, "scopes": scopes}

    @app.get("/v1/keys")
    async def keys(limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List all keys, without their secrets."""
        after = decode_cursor(cursor) or ""
        if not isinstance(after, str):
            raise BadRequest("The cursor is not one of ours. Take next_cursor from the former page.")
        async with desk.database.snapshot() as conn:
            rows = await queries.list_keys(conn, _text(after) or "", limit + 1)
        return page([row._asdict() for row in rows], limit, lambda item: item["id"])

    @app.delete("/v1/keys/{key_id}")
    async def revoke(request: Request, key_id: str) -> dict[str, Any]:
        """Revoke a key: refused here at once, by other replicas within seconds. It stays in the list."""
        async with desk.database.transaction() as conn:
            found = await queries.revoke_key(conn, _text(key_id) or "", caller(request).id, now())
        if not found:
            raise NotFound(f"There is no key {key_id!r}. List them: kizuna keys list")
        await desk.keys.renew()
        return {"id": key_id, "revoked": True}


def _add_waiting(app: FastAPI, desk: Desk) -> None:
    @app.get("/v1/parked")
    async def parked(limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List events that wait until their person's account is known."""
        after = _place(decode_cursor(cursor))
        async with desk.database.snapshot() as conn:
            rows = await queries.list_parked(conn, after, limit + 1)
        found = [
            {
                "person_id": row.person_id,
                "id": row.event_id,
                "source": row.source,
                "type": row.event_type,
                "time": row.at,
                "parked_at": row.parked_at,
                "reason": "unknown_account",
            }
            for row in rows
        ]
        return page(found, limit, lambda item: [item["source"], item["id"]])

    @app.get("/v1/events/{event_id}")
    async def event(event_id: str, source: str | None = None) -> dict[str, Any]:
        """Say what ingest knows of an event: parked, refused, or nothing (404): accepted events are not kept here."""
        wanted, origin = _text(event_id) or "", _text(source)
        async with desk.database.snapshot() as conn:
            waits = await queries.parked_event(conn, wanted, origin)
            refused = await deadletters.about(conn, wanted, origin)
        if waits:
            state = "remembered" if waits.event_type == queries.REMEMBERED else "parked"
            return {"service": "ingest", "state": state, "person_id": waits.person_id, "parked_at": waits.parked_at}
        if refused and refused.replayed_at is None:
            return {"service": "ingest", "state": "refused", "code": refused.code, "message": refused.message}
        raise NotFound(f"ingest keeps nothing of {event_id!r}: it was accepted and passed on, or never seen.")


def _add_dead_letters(app: FastAPI, desk: Desk) -> None:
    @app.get("/v1/dead-letters")
    async def dead_letters(reason: str | None = None, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List what ingest refused, oldest first."""
        after = decode_number(cursor)
        async with desk.database.snapshot() as conn:
            found = await deadletters.listing(conn, _text(reason), after, limit + 1)
        return page(found, limit, lambda item: item["id"])

    @app.get("/v1/dead-letters/{letter_id}")
    async def dead_letter(letter_id: Annotated[int, Path(ge=0, lt=BIGINT)]) -> dict[str, Any]:
        """Show one dead letter with every byte, as text or in hex; its key is what a replay needs to know beside."""
        async with desk.database.snapshot() as conn:
            return found(await deadletters.whole(conn, letter_id), letter_id)

    @app.post("/v1/dead-letters/replay")
    async def replay(wish: Annotated[ReplayRequest, Body()]) -> dict[str, Any]:
        """Try refused events again, known as of now; those that are refused again stay where they are."""
        count, refused, after = 0, Counter[str](), 0
        while True:
            async with desk.database.snapshot() as conn:
                rows = await queries.replayable(conn, _text(wish.reason), wish.ids, after)
            if not rows:
                break
            reasons = [await _again(desk.intake, row, dry_run=wish.dry_run) for row in rows]
            done = [row.id for row, reason in zip(rows, reasons, strict=True) if reason is None]
            if not wish.dry_run:
                async with desk.database.transaction() as conn:
                    await queries.mark_replayed(conn, done, now())
            count, after = count + len(done), rows[-1].id
            refused.update(filter(None, reasons))
        return {"would_replay" if wish.dry_run else "replayed": count, "still_refused": refused}


def _add_standing(app: FastAPI, desk: Desk) -> None:
    @app.get("/v1/status")
    async def status() -> dict[str, Any]:
        """Return what waits here and what is under way to the broker (bytes)."""
        async with desk.database.snapshot() as conn:
            return {"service": "ingest", "inflight": desk.publisher.in_flight, **await queries.counts(conn)}

    @app.get("/v1/fingerprint")
    async def fingerprint() -> dict[str, str]:
        """Return the hash of ingest's state: equal facts, equal hash."""
        async with desk.database.snapshot() as conn:
            return {"service": "ingest", "fingerprint": await queries.fingerprint(conn)}


async def _again(intake: Intake, row: Row[Any], *, dry_run: bool) -> str | None:
    """Try one event again, or with `dry_run` only read it; return why it is refused, None where it is not."""
    origin, raw = msgspec.json.decode(bytes(row.record_key), type=Origin), bytes(row.record_value)
    if not dry_run:
        answer = await intake.take(origin, [raw], now())
        return answer.rejected[0].code if answer.rejected else None
    try:
        items.read(0, raw, origin, now())
    except BadEvent as error:
        return error.code
    return None


def _place(cursor: Any) -> Sequence[str]:
    if cursor is None:
        return ("", "")
    match cursor:
        case [str(source), str(event_id)]:
            return (source.replace("\0", ""), event_id.replace("\0", ""))
    raise BadRequest("The cursor is not one of ours. Take next_cursor from the former page.")


def _text(text: str | None) -> str | None:
    """Return text that PostgreSQL can compare: a query may well contain NUL."""
    return text and text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
