"""A rebuild says which records it could not read: those of a lost file, whether the first one or one in the middle."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from shared.archive.lines import frame_of, line_of
from shared.archive.names import Name, chain_of, hour_of
from shared.archive.store import Store
from shared.cluster import Cluster
from shared.consuming import Service
from shared.db import Database
from shared.events import encode_event
from shared.kafka import Polled
from shared.kafka_admin import create_topics, describe
from shared.rebuild import Rebuild
from shared.rebuilding import summary
from tests.plugins.runtime import PARTITIONS, TOPICS, Toy, effects, usage


@pytest.fixture
async def settings(bootstrap_servers: str, topic_prefix: str) -> Any:
    """Settings of a toy service whose topics are there and empty."""
    kafka = Cluster(bootstrap_servers)
    await create_topics(kafka, [*TOPICS, "backfill.v1.health.dlq"], PARTITIONS, topic_prefix)
    return SimpleNamespace(kafka=kafka, topic_prefix=topic_prefix, partitions=PARTITIONS, session_seconds=2)


async def write(store: Store, chain: str, start: int) -> None:
    """Archive ten events of partition 0 of the topic of usage."""
    moment = int(time.time() * 1000)
    held = [
        Polled("usage.v1", 0, offset, b"a", encode_event(usage("a", f"e{offset}")), (), moment)
        for offset in range(start, start + 10)
    ]
    await store.create(
        Name("usage.v1", hour_of(moment), chain, 0, start).path, frame_of([line_of(each) for each in held])
    )


@pytest.mark.parametrize(
    ("starts", "gaps"),
    [((0, 10, 20), []), ((0, 20), ["10 to 19"]), ((10, 20), ["0 to 9"]), ((10, 30), ["0 to 9", "20 to 29"])],
)
async def test_a_lost_file_is_told(
    toy_database: Database, settings: Any, archive: Store, starts: tuple[int, ...], gaps: list[str]
) -> None:
    chain = chain_of((await describe(settings.kafka, [])).cluster_id)
    for start in starts:
        await write(archive, chain, start)
    toy = Toy()
    service = Service("health", toy, toy, lambda *_: None, lambda _: None)  # type: ignore[arg-type,return-value]  # no HTTP here
    told = await Rebuild(service, settings, toy_database, archive).run(lambda *_: None)
    assert told.gaps == [f"usage.v1 0 of {chain}: {gap}" for gap in gaps]
    said = [line for line in summary("health", told).splitlines() if "MISSING" in line]
    assert said == [f"MISSING, not in the archive: {gap}" for gap in told.gaps]
    assert len(await effects(toy_database)) == 10 * len(starts)
