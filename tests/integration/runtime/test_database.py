"""A database that is slow is waited for; one that is gone without a word is not, and is found again."""

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy.exc import DBAPIError

from deploy.local.ports import HOST
from shared.db import KEEPALIVE, UNHEARD_MS, Database, execute, fetch_one
from shared.produce import DEADLINE_SECONDS
from shared.pulse import SILENT_SECONDS
from shared.trouble import is_world_trouble
from tests.chaos.proxy import Proxy
from tests.plugins.runtime import until

PATIENCE = 30.0


@pytest.fixture
async def behind_proxy(database_url: str) -> AsyncIterator[tuple[Database, Proxy]]:
    """A started database whose connections go through a proxy."""
    place = urlsplit(database_url)
    with Proxy(place.port or 0) as proxy:
        through = place._replace(netloc=f"{place.netloc.rpartition('@')[0]}@{HOST}:{proxy.port}")
        database = Database(through.geturl())
        await database.start()
        try:
            yield database, proxy
        finally:
            await database.close()


async def sleep(database: Database, seconds: float) -> None:
    async with database.transaction() as conn:
        await fetch_one(conn, "select pg_sleep($1)", seconds)


async def test_the_kernel_ends_a_connection_that_swallows_what_is_sent(
    behind_proxy: tuple[Database, Proxy],
) -> None:
    """No test may drop packets, so this looks whether the kernel was told; the decision says what was seen."""
    database, _ = behind_proxy
    async with database.snapshot() as conn:
        driver = (await conn.get_raw_connection()).driver_connection
        assert driver is not None
        wire = driver._transport.get_extra_info("socket")
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNHEARD_MS < 1000 * DEADLINE_SECONDS


async def test_an_error_tells_the_statement_and_not_what_it_was_given(behind_proxy: tuple[Database, Proxy]) -> None:
    (database, _), given = behind_proxy, "jane@example.com"
    with pytest.raises(DBAPIError) as caught:
        async with database.transaction() as conn:
            await fetch_one(conn, "select 1 / $1::int, $2::text", 0, given)
    told = "".join(traceback.format_exception(caught.value))
    assert "division by zero" in told
    assert "select 1 /" in told
    assert given not in told


async def test_a_slow_statement_is_waited_for(behind_proxy: tuple[Database, Proxy]) -> None:
    database, _ = behind_proxy
    await sleep(database, 1.5 * SILENT_SECONDS)


async def test_swallowed_connections_are_broken_off_and_new_ones_made_afterwards(
    behind_proxy: tuple[Database, Proxy],
) -> None:
    database, proxy = behind_proxy
    await sleep(database, 0)
    working = [asyncio.create_task(sleep(database, 600)) for _ in range(5)]
    await until(lambda: proxy.open > 5)  # theirs, and the one that asks
    proxy.swallow()
    done, hanging = await asyncio.wait(working, timeout=PATIENCE)
    assert not hanging
    errors = [task.exception() for task in done]
    assert all(error and is_world_trouble(error) for error in errors), errors
    with pytest.raises(ConnectionError):
        await sleep(database, 0)
    proxy.heal()

    async def works() -> bool:
        try:
            await sleep(database, 0)
        except ConnectionError:
            return False
        return True

    await until(works, PATIENCE)


async def test_leaving_a_database_that_is_gone_does_not_hang(behind_proxy: tuple[Database, Proxy]) -> None:
    database, proxy = behind_proxy
    await sleep(database, 0)
    proxy.swallow()
    async with asyncio.timeout(PATIENCE):
        await database.close()


async def test_a_server_that_only_lets_read_is_left(behind_proxy: tuple[Database, Proxy]) -> None:
    database, _ = behind_proxy

    async def session(*, write: bool) -> int:
        async with database.transaction() as conn:
            if write:
                await execute(conn, "set transaction read only")
                await execute(conn, "create table anything (n int)")
            row = await fetch_one(conn, "select pg_backend_pid() as pid")
        assert row
        return int(row.pid)

    before = await session(write=False)
    assert await session(write=False) == before
    with pytest.raises(DBAPIError) as refused:
        await session(write=True)
    assert is_world_trouble(refused.value)
    assert await session(write=False) != before


async def test_the_servers_kernel_is_told_to_miss_a_client_that_is_gone(behind_proxy: tuple[Database, Proxy]) -> None:
    database, _ = behind_proxy
    async with database.snapshot() as conn:
        for name, seconds in KEEPALIVE.items():
            row = await fetch_one(conn, "select current_setting($1) as told", name)
            assert row
            assert row.told == seconds
