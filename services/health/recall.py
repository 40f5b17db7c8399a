"""What health said before, taken back from its own topics when its schema is built anew: episodes and last scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.health import portfolio
from services.health.episode import Episode, heard
from services.health.signal_store import load_episodes, save_episodes
from services.health.standing import Before, Standing, told_before
from shared.events import ScoreChanged, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.events import Event

TOPICS = ("health.v1", "signals.v1")


async def recall(conn: AsyncConnection, said: Sequence[Event]) -> None:
    """Store how every episode was last said to be, and which score of each account was last told."""
    await _episodes(conn, [event for event in said if isinstance(event.data, Signal)])
    await _scores(conn, [event for event in said if isinstance(event.data, ScoreChanged)])


async def _episodes(conn: AsyncConnection, said: Sequence[Event]) -> None:
    if not said:
        return
    stored = await load_episodes(conn, {event.subject for event in said})
    known: dict[str, Episode] = {each.episode: each for episodes in stored.values() for each in episodes}
    changed: dict[str, Episode] = {}
    for event in said:
        data = event.data
        after = heard(known.get(data.episode), event, data) if isinstance(data, Signal) else None
        if after is not None:
            known[after.episode] = changed[after.episode] = after
    await save_episodes(conn, list(changed.values()), said[-1].recordedtime)


async def _scores(conn: AsyncConnection, said: Sequence[Event]) -> None:
    if not said:
        return
    known: dict[str, Before] = dict(await portfolio.load_before(conn, [event.subject for event in said]))
    changed: dict[str, Standing] = {}
    for event in said:
        if isinstance(event.data, ScoreChanged):
            after = told_before(known.get(event.subject), event, event.data)
            known[event.subject] = Before(after.score, after.band, after.sequence)
            changed[event.subject] = after
    await portfolio.save(conn, list(changed.values()))
