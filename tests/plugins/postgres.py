"""A real PostgreSQL: one server for the run (or the one that DATABASE_URL names), an empty database for every test."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import import_module
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.local.plan import plan_of
from deploy.local.ports import free_port
from deploy.local.postgres import Postgres
from shared import migrate
from shared.database_roles import service_url

ServiceDatabase = Callable[[str], Awaitable[str]]


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Administrator's URL of a server that lives as long as the run."""
    folder = tmp_path_factory.mktemp("postgres")
    if given := plan_of(os.environ, folder).database:  # not the local stack's, whose roles are in use
        yield given
        return
    server = Postgres(folder, free_port(), tied=True, durable=False)
    try:
        server.start()
        yield server.url("postgres")
    finally:
        server.stop()


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """Administrator's URL of a fresh, empty database, dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    await _administer(postgres_url, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    finally:
        await _administer(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def service_database(database_url: str) -> ServiceDatabase:
    """Make a service's role, schema and tables as production does; returns that service's own URL."""

    async def make(service: str) -> str:
        await migrate.migrate(database_url, {service: "secret"})
        url = service_url(database_url, service, "secret")
        if not migrate.has_migrations(service):
            await _create_tables(url, service)
        return url

    return make


async def _create_tables(url: str, service: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.run_sync(import_module(f"services.{service}.tables").metadata.create_all)
    await engine.dispose()


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
