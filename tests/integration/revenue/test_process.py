"""`python -m services.revenue` as an operator meets it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import httpx

from deploy.local.ports import free_port
from shared.access import new_key_pair
from shared.cluster import Cluster
from shared.kafka_admin import create_topics
from tests.plugins.runtime import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.postgres import ServiceDatabase

TOPICS = ("billing.v1", "backfill.v1", "revenue.v1", "billing.v1.revenue.dlq", "backfill.v1.revenue.dlq")


async def test_it_gets_ready_and_leaves_in_peace(
    service_database: ServiceDatabase, bootstrap_servers: str, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topics(Cluster(bootstrap_servers), TOPICS, 12, topic_prefix)
    (tmp_path / "public.pem").write_text(new_key_pair()[1])
    port = free_port()
    environment = {
        **os.environ,
        "KIZUNA_REVENUE_PORT": str(port),
        "KIZUNA_REVENUE_DATABASE_URL": await service_database("revenue"),
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "KIZUNA_PUBLIC_KEY_FILE": str(tmp_path / "public.pem"),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.revenue", env=environment)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def ready() -> bool:
                try:
                    return (await client.get("/readyz")).status_code == httpx.codes.OK
                except httpx.TransportError:
                    return False

            await until(ready, 60)
            assert (await client.get("/v1/retention")).status_code == httpx.codes.UNAUTHORIZED
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_what_is_missing_is_named() -> None:
    environment = {"PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.revenue", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"DATABASE_URL" in said
