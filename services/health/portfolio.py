"""All SQL about where accounts stand: what the last evaluation found, and the portfolio that lists it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.health.answers import instant
from services.health.standing import Before, Standing
from shared.db import execute, fetch
from shared.mrr import money

SORTS = ("score", "-score", "mrr", "-mrr", "name")


async def load_before(conn: AsyncConnection, accounts: Sequence[str]) -> Mapping[str, Before]:
    """Return what was last found of accounts."""
    rows = await fetch(
        conn, "select account_id, score, band, sequence from account_health where account_id = any($1)", list(accounts)
    )
    return {row.account_id: Before(row.score, row.band, row.sequence) for row in rows}


async def save(conn: AsyncConnection, standings: Sequence[Standing]) -> None:
    """Store where accounts stand, each row whole."""
    await execute(
        conn, "delete from account_health where account_id = any($1)", [each.account_id for each in standings]
    )
    await execute(
        conn,
        "insert into account_health select * from jsonb_populate_recordset(null::account_health, $1::jsonb)",
        msgspec.json.encode(standings).decode(),
    )


async def listing(
    conn: AsyncConnection, filters: Mapping[str, str | None], sort: str, after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """Return accounts in the order of `sort`; `after` is the place of a former page's end.

    By score, worst first: those without a score come late, and those that are no customers any more come last.

    `filters`: `owner` (id or e-mail address), `band`, `tier`. Each item carries its `place`.
    """
    place, label, account = after or (None, None, None)
    rows = await fetch(
        conn,
        """with listed as (
               select *, case $4 when 'score' then coalesce(score, 101) + case when customer then 0 else 200 end
                                 when '-score' then -coalesce(score, -1)
                                 when 'mrr' then coalesce(mrr, 0) when '-mrr' then -coalesce(mrr, 0) else 0
                         end as place,
                      case $4 when 'name' then lower(coalesce(name, account_id)) else '' end as label
               from account_health
               where ($1::text is null or owner ->> 'id' = $1 or owner ->> 'email' = $1)
                 and ($2::text is null or band = $2) and ($3::text is null or tier = $3))
           select * from listed
           where $5::numeric is null or (place, label, account_id) > ($5::numeric, $6::text, $7::text)
           order by place, label, account_id limit $8""",
        filters.get("owner"),
        filters.get("band"),
        filters.get("tier"),
        sort,
        place,
        label,
        account,
        limit,
    )
    return [_item(row) for row in rows]


def _item(row: Any) -> dict[str, Any]:
    owner = json.loads(row.owner) if row.owner else {}
    return {
        "account_id": row.account_id,
        "name": row.name,
        "score": None if row.score is None else float(row.score),
        "band": row.band,
        "trend": row.trend,
        "owner": owner.get("id"),
        "owner_name": owner.get("name") or owner.get("email"),
        "tier": row.tier,
        "mrr": None if row.mrr is None else money(row.mrr),
        "currency": row.currency,
        "signals": list(row.signals),
        "customer": row.customer,
        "biggest_lever": row.biggest_lever,
        "coverage": float(row.coverage),
        "evaluated_at": instant(row.evaluated_at),
        "place": [str(row.place), row.label, row.account_id],
    }
