"""Whether a schema may be built anew: nobody uses it, and nothing is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.db import fetch, fetch_one

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.db import Database


class Occupied(SystemExit):
    """The schema is in use or holds something; the message names the remedy."""


async def require_vacant(database: Database, service: str) -> None:
    """Raise `Occupied` unless the service's schema is empty and this is the only connection of its role."""
    async with database.transaction() as conn:
        row = await fetch_one(
            conn,
            "select count(*) as others from pg_stat_activity "
            "where usename = current_user and datname = current_database() and pid <> pg_backend_pid()",
        )
        if row and row.others:
            raise Occupied(f"{service} is running ({row.others} connections of its role are open): stop it first.")
        filled = await _filled(conn)
    if filled:
        raise Occupied(
            f"The schema of {service} is not empty ({', '.join(filled)}). Set it aside, which loses nothing: "
            f"python -m shared.migrate --service {service} --set-aside (of a local stack: kizuna rebuild {service} "
            "--set-aside does all of it)."
        )


async def _filled(conn: AsyncConnection) -> list[str]:
    """Return the tables of the schema that hold rows."""
    rows = await fetch(
        conn,
        """select c.relname, format('select exists(select from %I)', c.relname) as question
           from pg_class c where c.relnamespace = current_schema()::regnamespace
             and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'alembic_version' order by 1""",
    )
    return [row.relname for row in rows if (await fetch(conn, row.question))[0][0]]
