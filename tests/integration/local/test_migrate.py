"""The migration step against a real server: what every role may do, and what it may not."""

import asyncpg
import pytest

from shared import migrate
from tests.plugins.postgres import ServiceDatabase


async def test_role_owns_its_schema_and_nothing_else(service_database: ServiceDatabase, database_url: str) -> None:
    await migrate.migrate(database_url, {"ingest": "one", "health": "two"})
    ingest = await asyncpg.connect(migrate.service_url(database_url, "ingest", "one"))
    health = await asyncpg.connect(migrate.service_url(database_url, "health", "two"))
    try:
        await ingest.execute("CREATE TABLE mine (id int); INSERT INTO mine VALUES (1)")
        assert await ingest.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = 'mine'") == "ingest"
        for statement in ("SELECT * FROM ingest.mine", "CREATE TABLE ingest.theirs ()", "CREATE TABLE public.any ()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await health.execute(statement)
    finally:
        await ingest.close()
        await health.close()
