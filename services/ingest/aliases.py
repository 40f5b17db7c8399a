"""Owns what alias calls change: who is the same person, and which accounts have to hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from services.ingest import items, person_store
from services.ingest.segment import derived_id
from shared.errors import BadEvent
from shared.events import decode_event, encode_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.ingest.items import Item
    from services.ingest.work import Work


async def join_persons(conn: AsyncConnection, work: Work) -> None:
    """Join the persons of alias calls; a call that may not join them is refused."""
    ids = sorted({each for item in work.aliases for each in _ids(item)})
    known = await person_store.people(conn, ids)
    kept = []
    for item in work.aliases:
        try:
            known.join(*_ids(item))
        except BadEvent as error:
            work.refuse(item.index, item.raw, error)
        else:
            kept.append(item)
    work.aliases = kept
    await person_store.merge(conn, known, [person_store.Alias(*_ids(item), item.value) for item in kept])


async def tell_aliases(conn: AsyncConnection, work: Work, joined: Sequence[person_store.Membership]) -> None:
    """Note an event for every account that may not have heard of an alias: by this request's alias or group calls."""
    rows = await person_store.aliases_to_tell(conn, [each.person_id or "" for each in work.aliases], joined)
    named = [(item.value, item.account_id) for item in work.aliases if item.account_id is not None]
    for raw, account in [*((bytes(row.event), row.account_id) for row in rows), *named]:
        said = decode_event(raw)
        event = msgspec.structs.replace(said, id=derived_id(said.id, account), subject=account, recordedtime=work.known)
        work.extra[event.id] = items.record(event, encode_event(event))


def _ids(item: Item) -> tuple[str, str]:
    return item.previous_id or "", item.person_id or ""
