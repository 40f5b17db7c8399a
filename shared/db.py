"""PostgreSQL: one engine per process, transactions that the runtime opens, and SQL with `$1` placeholders."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Row

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60


class Database:
    """A pool of connections for one service's role. `url` is `postgresql://role:password@host:port/database`."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self._engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size,
            max_overflow=2,
            pool_pre_ping=True,
            pool_timeout=CONNECT_SECONDS,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
        )
        event.listen(self._engine.sync_engine, "connect", _json_as_text)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction; it commits when the block ends well and rolls back when it raises."""
        async with self._engine.begin() as conn:
            yield conn

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Open a read-only transaction that sees one consistent state."""
        async with self._engine.connect() as conn:
            await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield conn

    async def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            Exception: whatever the driver raises when it does not answer.

        """
        async with self._engine.connect() as conn:
            await conn.exec_driver_sql("select 1")

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self._engine.dispose()


def _json_as_text(connection: Any, _: object) -> None:
    """Hand JSON through as text, both ways: msgspec reads numbers exactly, the driver's default does not."""
    for name in ("json", "jsonb"):
        connection.run_async(
            lambda driver, name=name: driver.set_type_codec(
                name, encoder=str, decoder=str, schema="pg_catalog", format="text"
            )
        )


async def fetch(conn: AsyncConnection, sql: str, *args: Any) -> list[Row[Any]]:
    """Run one statement with `$1`… placeholders and return its rows."""
    return list((await conn.exec_driver_sql(sql, args)).fetchall())


async def fetch_one(conn: AsyncConnection, sql: str, *args: Any) -> Row[Any] | None:
    """Run one statement and return its first row, or None."""
    return (await conn.exec_driver_sql(sql, args)).fetchone()


async def execute(conn: AsyncConnection, sql: str, *args: Any) -> int:
    """Run one statement and return how many rows it touched."""
    return (await conn.exec_driver_sql(sql, args)).rowcount
