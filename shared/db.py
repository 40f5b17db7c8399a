"""PostgreSQL: one engine per process, transactions that the runtime opens, and SQL with `$1` placeholders.

Once started, the server is asked for a sign of life over a connection of its own. While it gives none, every connection
is broken off and nobody waits for a new one: an honest statement may take a minute, a dead one may not.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import asyncpg
import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.pulse import until_answered, until_silent
from shared.trouble import READ_ONLY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy import Row
    from sqlalchemy.engine import ExceptionContext

log = structlog.get_logger()

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 60
ASK_AGAIN_SECONDS = 1.0
CLOSE_SECONDS = 1.0
UNHEARD_MS = 4000
"""So long may what we sent go without the kernel's receipt: a connection that a firewall forgot fails, it alone.

So does one whose server takes nothing more for that long in the midst of what we send; then that is tried again whole.
"""
IDLE_SECONDS = 10
"""So long may a transaction wait for its client. One whose client is gone without a word holds its locks till then."""

KEEPALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "5"}
"""In seconds: the server's kernel misses a client that is gone. In the midst of a COPY none of the limits counts."""


class Database:
    """A pool of connections for one service's role. `url` is `postgresql://role:password@host:port/database`."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self._connections: WeakSet[asyncpg.Connection] = WeakSet()
        self._engine = self._new_engine(url, self._connect, pool_size=pool_size, max_overflow=2, pool_pre_ping=True)
        self._asker = self._new_engine(url, self._connect_anyway, pool_size=1, isolation_level="AUTOCOMMIT")
        self._attending: asyncio.Task[None] | None = None
        self._away = False
        event.listen(self._engine.sync_engine, "connect", _json_as_text)
        event.listen(self._engine.sync_engine, "handle_error", _leave_who_is_not_primary)

    async def start(self) -> None:
        """Begin to ask whether the server is there; without it, statements wait as long as they may."""
        self._attending = asyncio.create_task(self._attend(), name="database")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction; it commits when the block ends well and rolls back when it raises."""
        self._require_answers()
        async with self._engine.begin() as conn:
            yield conn

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Open a read-only transaction that sees one consistent state."""
        self._require_answers()
        async with self._engine.connect() as conn:
            await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield conn

    async def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            Exception: whatever the driver raises when it does not answer.

        """
        self._require_answers()
        async with self._engine.connect() as conn:
            await conn.exec_driver_sql("select 1")

    async def close(self) -> None:
        """Close every connection of the pool, also when nobody is there to say goodbye to."""
        if self._attending:
            self._attending.cancel()
        closing = asyncio.gather(self._engine.dispose(), self._asker.dispose(), return_exceptions=True)
        done, _ = await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if not done:
            self._break_off()
            await closing

    def _new_engine(self, url: str, connect: Callable[..., Awaitable[Any]], **settings: Any) -> AsyncEngine:
        return create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_timeout=CONNECT_SECONDS,
            hide_parameters=True,  # they are events and persons, and whatever fails is logged with its text
            connect_args={
                "async_creator_fn": connect,
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
                "server_settings": {"idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s", **KEEPALIVE},
            },
            **settings,
        )

    async def _connect(self, **settings: Any) -> asyncpg.Connection:
        self._require_answers()
        return await self._connect_anyway(**settings)

    async def _connect_anyway(self, **settings: Any) -> asyncpg.Connection:
        connection: asyncpg.Connection = await asyncpg.connect(**settings)
        wire = connection._transport.get_extra_info("socket")  # noqa: SLF001 - the driver takes no options for it
        if wire.family in {socket.AF_INET, socket.AF_INET6}:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_MS)
        self._connections.add(connection)
        return connection

    def _require_answers(self) -> None:
        if self._away:
            raise ConnectionError("The database does not answer.")

    async def _attend(self) -> None:
        while True:
            await until_silent(self._ask)
            self._away = True
            log.error("database_away", broken_off=self._break_off())
            await until_answered(self._ask, ASK_AGAIN_SECONDS)
            self._away = False
            log.info("database_back")

    async def _ask(self) -> None:
        async with self._asker.connect() as conn:
            await conn.exec_driver_sql("select 1")

    def _break_off(self) -> int:
        """End every connection without waiting for anybody; return how many there were."""
        connections = list(self._connections)
        still_open = sum(not each.is_closed() for each in connections)
        for each in connections:  # also one that is closing: it waits for the other side
            each.terminate()
        return still_open


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


def _leave_who_is_not_primary(context: ExceptionContext) -> None:
    """Give up the pool when a server only lets read: its name may mean another one by now."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True
