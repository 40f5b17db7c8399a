"""The migration step against a real server: what every role may do and what it may not; again, and two at once."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.ports import free_port
from deploy.local.postgres import Postgres
from shared import migrate
from shared.database_roles import SERVICES, password_variable, role_of, service_url
from tests.plugins.postgres import ServiceDatabase

SECRETS = {service: f"it's {service}'s \\ secret%" for service in SERVICES}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def run(url: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {password_variable(name): word for name, word in SECRETS.items()}
    environ = os.environ | given | {"DATABASE_URL": url or ""}
    command = [sys.executable, "-m", "shared.migrate", *arguments]
    return subprocess.run(command, env=environ, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("mine", SERVICES)
async def test_a_role_owns_its_schema_and_nothing_else(mine: str, database_url: str) -> None:
    await migrate.migrate(database_url, SECRETS)
    async with connected(service_url(database_url, mine, SECRETS[mine])) as connection:
        await connection.execute("CREATE TABLE own (id int); INSERT INTO own VALUES (1); DROP TABLE own")
        assert await connection.fetchval("SELECT current_schema()") == mine
        forbidden = [f"CREATE TABLE {other}.any ()" for other in SERVICES if other != mine]
        forbidden += [f"TABLE {other}.alembic_version" for other in SERVICES if other != mine]
        forbidden += ["CREATE TABLE public.any ()", "CREATE SCHEMA another", "CREATE ROLE another", "SET ROLE postgres"]
        for statement in forbidden:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_tables_are_made_by_and_for_the_service(service_database: ServiceDatabase, database_url: str) -> None:
    for service in SERVICES:
        await service_database(service)
    async with connected(database_url) as connection:
        rows = await connection.fetch(
            "SELECT schemaname, tableowner FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'"
        )
    assert {(row["schemaname"], row["tableowner"]) for row in rows} == {
        (service, role_of(service)) for service in SERVICES
    }


async def test_a_repetition_changes_nothing_and_a_new_password_counts(database_url: str) -> None:
    first = await migrate.migrate(database_url, SECRETS)
    began = time.monotonic()
    assert await migrate.migrate(database_url, SECRETS | {"health": "another"}) == first
    assert time.monotonic() - began < 2
    async with connected(service_url(database_url, "health", "another")):
        pass
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(service_url(database_url, "health", SECRETS["health"]))


async def test_two_at_once_wait_for_one_another(database_url: str) -> None:
    results = await asyncio.gather(*(migrate.migrate(database_url, SECRETS) for _ in range(3)))
    assert results[0] == results[1] == results[2]


async def test_a_database_that_does_not_exist_is_made(database_url: str) -> None:
    fresh = f"{database_url}_fresh"
    try:
        await migrate.migrate(fresh, {"ingest": "secret"})
        async with connected(service_url(fresh, "ingest", "secret")):
            pass
    finally:
        async with connected(database_url) as connection:
            await connection.execute(f"DROP DATABASE {urlsplit(fresh).path[1:]} WITH (FORCE)")


async def test_an_administrator_needs_no_superuser(tmp_path: Path) -> None:
    server = Postgres(tmp_path, free_port(), tied=True, durable=False)  # roles are a server's, so one of its own
    server.start()
    try:
        async with connected(server.url("postgres")) as connection:
            await connection.execute("CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'secret'")
        url = f"postgresql://manager:secret@127.0.0.1:{server.port}/kizuna"
        assert len(await migrate.migrate(url, SECRETS)) == len(SECRETS)
        assert len(await migrate.migrate(url, SECRETS)) == len(SECRETS)
    finally:
        server.stop()


def test_the_command_says_what_it_did_and_what_it_lacks(database_url: str) -> None:
    done = run(database_url)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == list(SERVICES)
    assert run(database_url, "--service", "revenue").stdout.startswith("revenue: ")
    assert "DATABASE_URL is not set" in run(None).stderr
    refused = run(f"postgresql://nobody:wrong@127.0.0.1:{free_port()}/kizuna")
    assert refused.returncode == 1
    assert "must name an administrator" in refused.stderr
    assert "Traceback" not in refused.stderr
