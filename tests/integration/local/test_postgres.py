"""The local PostgreSQL server as a process: who reaches it, what it keeps, how it ends."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from deploy.local.ports import free_port
from deploy.local.postgres import Postgres
from deploy.local.processes import StackError, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "run", free_port(), tied=True)
    server.start()
    yield server
    server.stop()


async def query(server: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_only_loopback_and_only_with_the_password(server: Postgres) -> None:
    assert await query(server, "SHOW password_encryption") == "scram-sha-256"
    assert await query(server, "SHOW unix_socket_directories") == ""
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == server.port}
    assert listening == {"127.0.0.1"}
    wrong = urlsplit(server.url("postgres"))._replace(netloc=f"postgres:wrong@127.0.0.1:{server.port}").geturl()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)
    assert (server.folder / "postgres.password").stat().st_mode & 0o777 == 0o600
    assert (server.folder / "postgres").stat().st_mode & 0o777 == 0o700


async def test_settings_keep_what_was_acknowledged_and_text_as_it_is(server: Postgres) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await query(server, f"SHOW {name}") == "on"
    assert await query(server, "SHOW server_encoding") == "UTF8"
    assert await query(server, "SELECT lower('ÄÖ絆')") == "äö絆"
    assert await query(server, "SELECT 'a' < 'B'") is False, "code point order, the same on every machine"


async def test_data_outlive_a_stop_and_a_kill(server: Postgres) -> None:
    await query(server, "CREATE TABLE kept (n int)")
    await query(server, "INSERT INTO kept VALUES (1)")
    assert server.stop()
    server.start()
    await query(server, "INSERT INTO kept VALUES (2)")
    pid = server.program.pid()
    assert pid
    postmaster = psutil.Process(pid)
    family = [postmaster, *postmaster.children()]
    postmaster.kill()
    assert wait_for(lambda: not any(each.is_running() and each.status() != "zombie" for each in family), 10)
    server.start()
    assert await query(server, "SELECT sum(n) FROM kept") == 3


def test_a_taken_port_is_in_the_last_words(server: Postgres, tmp_path: Path) -> None:
    second = Postgres(tmp_path / "second", server.port, tied=True)
    with suppress(StackError):  # the first server answers on the port, so this one may look ready for a moment
        second.start()
    assert wait_for(lambda: second.program.pid() is None, 10)
    assert "could not bind" in second.program.last_words()
