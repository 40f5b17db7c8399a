"""Tables in partitions by time: new ones are attached, which readers and writers of the table do not wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.db import execute, fetch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection


async def open_partitions(conn: AsyncConnection, table: str, spans: Mapping[str, tuple[date, date]]) -> None:
    """Make the partitions of `table` that are missing: by name, the first day and the day after the last."""
    if not await _missing(conn, spans):
        return
    await execute(conn, f"select pg_advisory_xact_lock(hashtext(current_schema() || '.{table}'))")
    for name in sorted(await _missing(conn, spans)):
        first, after = spans[name]
        await execute(conn, f"create table {name} (like {table} including all)")
        await execute(conn, f"alter table {table} attach partition {name} for values from ('{first}') to ('{after}')")


async def _missing(conn: AsyncConnection, names: Collection[str]) -> set[str]:
    rows = await fetch(
        conn,
        "select relname from pg_class where relname = any($1) and relnamespace = current_schema()::regnamespace",
        list(names),
    )
    return set(names) - {row.relname for row in rows}
