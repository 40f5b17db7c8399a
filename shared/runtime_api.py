"""Routes that every consuming service answers: status, dead letters, what became of an event, fingerprint."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body, FastAPI, Path, Query
from pydantic import BaseModel, Field

from shared import deadletters, standing
from shared.clock import now
from shared.deadletters import Letter
from shared.errors import NotFound
from shared.events import event_key, known_since
from shared.inbox import counted
from shared.kafka import partition_of
from shared.pages import BIGINT, Limit, decode_number, page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.consuming import Runtime
    from shared.door import Door
    from shared.kafka import Polled


class ReplayRequest(BaseModel):
    """Which dead letters to send again: of one reason, or by id, or (with neither) all that wait.

    `dry_run` says what would become of them, and sends nothing.
    """

    reason: str | None = None
    ids: list[Annotated[int, Field(ge=0, lt=BIGINT)]] | None = None
    dry_run: bool = False


def add_runtime_routes(
    app: FastAPI, runtime: Runtime, fingerprint: Callable[[AsyncConnection], Awaitable[str]]
) -> None:
    """Add the common routes to a consuming service's app."""
    _add_status(app, runtime, fingerprint)
    _add_dead_letters(app, runtime)
    _add_events(app, runtime)


def _add_status(app: FastAPI, runtime: Runtime, fingerprint: Callable[[AsyncConnection], Awaitable[str]]) -> None:
    @app.get("/v1/status")
    async def status() -> dict[str, Any]:
        """Return replicas, lag, outbox, due accounts, dead letters and incidents of this service.

        What one replica alone knows (`partitions`, `lag`, `lag_by_topic`, `trouble`, `halted`, `last_evaluation`) is
        that of `replica`, which answers; all else is the whole service's. `lag_seconds` is how long ago the last place
        was read to its end: about a second when nothing waits, null until each was once.
        """
        return await standing.status(runtime)

    @app.get("/v1/fingerprint")
    async def get_fingerprint() -> dict[str, str]:
        """Return the hash of this service's state: equal facts, equal hash."""
        async with runtime.database.snapshot() as conn:
            return {"service": runtime.service, "fingerprint": await fingerprint(conn)}


def _add_dead_letters(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/v1/dead-letters")
    async def dead_letters(
        reason: str | None = None, limit: Limit = 100, cursor: Annotated[str | None, Query()] = None
    ) -> dict[str, Any]:
        """List what this service refused, oldest first."""
        after = decode_number(cursor)
        async with runtime.database.snapshot() as conn:
            return page(await deadletters.listing(conn, reason, after, limit + 1), limit, lambda item: item["id"])

    @app.get("/v1/dead-letters/{letter_id}")
    async def dead_letter(letter_id: Annotated[int, Path(ge=0, lt=BIGINT)]) -> dict[str, Any]:
        """Show one dead letter with every byte of its record, as text or in hex."""
        async with runtime.database.snapshot() as conn:
            return found(await deadletters.whole(conn, letter_id), letter_id)

    @app.post("/v1/dead-letters/replay")
    async def replay(request: Annotated[ReplayRequest, Body()]) -> dict[str, Any]:
        """Send dead letters to their topic again; repeating it changes nothing. One that is still bad comes back."""
        moment, last, refused = now(), 0, Counter[str]()
        count = 0
        while True:
            async with runtime.database.transaction() as conn:
                letters = await deadletters.candidates(conn, request.reason, request.ids, last)
                if not request.dry_run:
                    await deadletters.replay(conn, letters, moment)
            if not letters:
                break
            last, count = letters[-1][0], count + len(letters)
            refused.update(filter(None, (_reason(runtime.consumer.door, each, moment) for _, each in letters)))
        return {"would_replay" if request.dry_run else "replayed": count, "still_refused": refused}


def found(letter: dict[str, Any] | None, letter_id: int) -> dict[str, Any]:
    """Return a dead letter; raise NotFound where there is none."""
    if letter is None:
        raise NotFound(f"There is no dead letter {letter_id} here. List them: kizuna dlq list")
    return letter


def _reason(door: Door, letter: Polled, moment: datetime) -> str | None:
    """Return why a letter would be refused again if it came back now, as a replay would send it."""
    place = partition_of(letter.key or b"", door.partitions)
    verdict = door.judge(letter._replace(value=known_since(letter.value or b"", moment), partition=place), moment)
    return verdict.error.code if isinstance(verdict, Letter) else None


def _add_events(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/v1/events/{event_id}")
    async def event(event_id: str, source: str | None = None) -> dict[str, Any]:
        """Say what became of an event here: counted (`source` is needed to see that), refused, or unknown (404)."""
        async with runtime.database.snapshot() as conn:
            refused = await deadletters.about(conn, event_id, source)
            if source is not None and await counted(conn, event_key(source, event_id)):
                return {"service": runtime.service, "state": "counted"}
        if refused:
            return {"service": runtime.service, "state": "refused", "code": refused.code, "message": refused.message}
        raise NotFound(f"{runtime.service} knows no event {event_id!r}. Add ?source= to ask whether it was counted.")
