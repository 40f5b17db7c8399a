"""The migration step: a database role and a schema per service, then every service's alembic revisions, in one process.

Run it before the services: `python -m shared.migrate [--service NAME]`, with an administrator's `DATABASE_URL` and the
roles' passwords in `KIZUNA_<SERVICE>_DB_PASSWORD` (or files with them, named in the same variables with `_FILE`).
Repeating it is harmless, and two at once wait for one another.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alembic import command, context
from alembic.config import Config
from asyncpg import InvalidCatalogNameError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.clock import now
from shared.database_roles import SERVICES, password_variable, role_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, MetaData

_LOOKS, _BETWEEN_LOOKS = 10, 0.3
_LOCK = 0x6B697A756E61  # "kizuna": any number that nobody else locks


class MigrationError(Exception):
    """The database refused a statement; the message says whose it was and why."""


async def migrate(admin_url: str, passwords: Mapping[str, str]) -> list[str]:
    """Bring role, schema and tables of every service named in `passwords` up to date; returns a line on each.

    `admin_url` names the database, which is created when it does not exist.

    Raises:
        MigrationError: the database does not answer, or refused something.

    """
    with _named("the database"):
        await _ensure_database(admin_url)
    lines = []
    async with _administrator(admin_url) as conn:
        await conn.exec_driver_sql("select pg_advisory_lock($1)", (_LOCK,))
        try:
            for service, password in passwords.items():
                with _named(service):
                    await _grant(conn, service, password)
                    lines.append(await _upgrade(conn, service))
        finally:
            await conn.exec_driver_sql("select pg_advisory_unlock($1)", (_LOCK,))
    return lines


async def set_aside(admin_url: str, service: str, moment: datetime) -> str:
    """Rename the schema of a service, so that the next migration makes an empty one; return its new name.

    Raises:
        MigrationError: the database does not answer, or somebody is connected as the service's role.

    """
    kept = f"{service}_until_{moment:%Y%m%d_%H%M%S}"
    with _named(service):
        async with _administrator(admin_url) as conn:
            if count := await _connections(conn, role_of(service)):
                raise MigrationError(f"{service} is running ({count} connections of its role are open): stop it first")
            await _formatted(conn, "ALTER SCHEMA %I RENAME TO %I", service, kept)
    return kept


async def _connections(conn: AsyncConnection, role: str) -> int:
    """Return how many connections of a role stay open; those of a process that has just ended close by themselves."""
    for _ in range(_LOOKS):
        used = await conn.exec_driver_sql(
            "select count(*) from pg_stat_activity where usename = $1 and datname = current_database()", (role,)
        )
        if not (count := int(used.scalar_one())):
            break
        await asyncio.sleep(_BETWEEN_LOOKS)
    return count


def has_migrations(service: str) -> bool:
    """Whether `service` brings alembic revisions."""
    return (_folder(service) / "env.py").exists()


def run_environment(metadata: MetaData) -> None:
    """Body of every service's `migrations/env.py`: runs its revisions on the connection that `migrate` hands over."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


def main(arguments: Sequence[str] | None = None) -> None:
    """Migrate what the environment describes; exits with a message that names the remedy when it cannot."""
    parser = argparse.ArgumentParser(prog="python -m shared.migrate", description="Roles, schemas and tables.")
    parser.add_argument("--service", choices=SERVICES, action="append", help="only this service (may be repeated)")
    parser.add_argument(
        "--set-aside", action="store_true", help="keep the present schema of --service under another name, begin anew"
    )
    given = parser.parse_args(arguments)
    chosen = given.service or SERVICES
    if given.set_aside and not given.service:
        parser.error("--set-aside needs --service: name whose schema is meant")
    passwords = {service: _from_environment(password_variable(service)) for service in chosen}
    url = _from_environment("DATABASE_URL")
    try:
        aside = [asyncio.run(set_aside(url, each, now())) for each in chosen] if given.set_aside else []
        lines = [f"set aside as {kept}" for kept in aside] + asyncio.run(migrate(url, passwords))
    except MigrationError as error:
        raise SystemExit(
            f"Migrations failed: {error}\nDATABASE_URL must name an administrator (CREATEROLE and CREATEDB)."
        ) from error
    print("\n".join(lines))  # noqa: T201 - a command's answer


@contextmanager
def _named(whose: str) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise MigrationError(f"{whose}: {getattr(error, 'orig', None) or error}") from error


@asynccontextmanager
async def _administrator(url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.connect() as conn:
            yield await conn.execution_options(isolation_level="AUTOCOMMIT")
    finally:
        await engine.dispose()


async def _ensure_database(url: str) -> None:
    try:
        async with _administrator(url):
            return
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != InvalidCatalogNameError.sqlstate:
            raise
        async with _administrator(urlsplit(url)._replace(path="/postgres").geturl()) as conn:
            await _formatted(conn, "CREATE DATABASE %I", urlsplit(url).path.strip("/"))


async def _grant(conn: AsyncConnection, service: str, password: str) -> None:
    role = role_of(service)
    known = await conn.exec_driver_sql("select 1 from pg_roles where rolname = $1", (role,))
    if known.first() is None:
        await _formatted(conn, "CREATE ROLE %I", role)
    await _formatted(conn, "ALTER ROLE %I LOGIN NOINHERIT PASSWORD %L", role, password)
    await _formatted(conn, "ALTER ROLE %I SET search_path = %I", role, service)
    await _formatted(conn, "GRANT %I TO CURRENT_USER", role)  # lets an administrator who is no superuser act for it
    database = (await conn.exec_driver_sql("select current_database()")).scalar_one()
    await _formatted(conn, "REVOKE ALL ON DATABASE %I FROM PUBLIC", database)
    await conn.exec_driver_sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await _formatted(conn, "GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I", database, role)
    await _formatted(conn, "CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I", service, role)


async def _upgrade(conn: AsyncConnection, service: str) -> str:
    if not has_migrations(service):
        return f"{service}: role and schema are ready; it has no migrations"
    await _formatted(conn, "SET ROLE %I", role_of(service))
    await _formatted(conn, "SET search_path = %I", service)
    try:
        await conn.run_sync(_run_revisions, service)
    finally:
        await conn.exec_driver_sql("RESET search_path")
        await conn.exec_driver_sql("RESET ROLE")
    return f"{service}: up to date"


def _run_revisions(connection: Connection, service: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_folder(service)))
    command.upgrade(config, "head")


async def _formatted(conn: AsyncConnection, template: str, *values: str) -> None:
    """Run a statement that takes no parameters; the server itself quotes the values (%I name, %L text)."""
    places = "".join(f", ${number}::text" for number in range(2, len(values) + 2))
    statement = await conn.exec_driver_sql(f"select format($1{places})", (template, *values))
    await conn.exec_driver_sql(statement.scalar_one())


def _folder(service: str) -> Path:
    package = find_spec(f"services.{service}")
    if package is None or package.origin is None:
        raise SystemExit(f"There is no service {service}.")
    return Path(package.origin).parent / "migrations"


def _from_environment(name: str) -> str:
    path = os.environ.get(f"{name}_FILE")
    value = Path(path).read_text(encoding="utf-8").strip() if path else os.environ.get(name)
    if not value:
        raise SystemExit(f"{name} is not set; the migration step needs it.")
    return value


if __name__ == "__main__":
    main()
