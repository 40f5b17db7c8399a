"""What is asked of a broker besides reading and writing: which topics there are, who it is; and farewells to groups."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, UnknownMemberIdError, for_code
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

from shared.kafka_connections import CUT_SECONDS, START_SECONDS, start, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from shared.cluster import Cluster

TOPIC_EXISTS = 36
LETTER_BYTES = 2 * 1024 * 1024
RECORD_BYTES = LETTER_BYTES - 64 * 1024


async def create_topics(kafka: Cluster, names: Iterable[str], partitions: int, prefix: str = "") -> None:
    """Create the topics that are missing; topics that exist are left alone."""
    async with _admin(kafka) as admin:
        # -1: as many replicas as the broker's default says; the client takes that only beside an assignment, if empty
        wanted = [NewTopic(prefix + name, partitions, -1, {}, _limits(name)) for name in names]
        answer: Any = await admin.create_topics(wanted)
        wrong = {each[0]: each[1] for each in answer.topic_errors if each[1] not in (0, TOPIC_EXISTS)}
        if wrong:
            raise KafkaError(f"The broker refused to create topics (error codes by name): {wrong}")


def _limits(topic: str) -> dict[str, str]:
    """Dead letters carry what was refused, and why: their topics must take more than any topic that is read."""
    return {"max.message.bytes": str(LETTER_BYTES if topic.endswith(".dlq") else RECORD_BYTES)}


class ClusterView(NamedTuple):
    """Who the broker says it is, and how many partitions each topic has (0: missing)."""

    cluster_id: str
    partitions: dict[str, int]


async def describe(kafka: Cluster, topics: Iterable[str]) -> ClusterView:
    """Ask the broker for its identity and the partition counts of `topics`. Raises BrokerError, or TimeoutError."""
    async with asyncio.timeout(START_SECONDS), _admin(kafka) as admin:
        cluster = await admin.describe_cluster()
        found = await admin.describe_topics(list(topics))
    return ClusterView(str(cluster["cluster_id"]), {t["topic"]: len(t["partitions"]) for t in found})


async def list_topics(kafka: Cluster, prefix: str = "") -> list[str]:
    """Return the names of all topics that begin with `prefix`, without it."""
    async with _admin(kafka) as admin:
        return [name.removeprefix(prefix) for name in await admin.list_topics() if name.startswith(prefix)]


async def say_goodbye(kafka: Cluster, group: str, member: str) -> None:
    """Leave a group for a member that could not do it itself: else the group waits until its session has run out.

    Raises BrokerError, or TimeoutError. It does no harm when the group has forgotten the member meanwhile.
    """
    async with asyncio.timeout(START_SECONDS), _admin(kafka) as admin:
        coordinator = await admin.find_coordinator(group)
        answer = await admin._client.send(coordinator, LeaveGroupRequest(group, member))  # noqa: SLF001 - no public way
    if answer.error_code not in {0, UnknownMemberIdError.errno}:
        raise for_code(answer.error_code)(f"The group {group} has not been left.")


async def forget_group(kafka: Cluster, group: str) -> bool:
    """Have the broker forget a group and its offsets; return whether it did: not while the group has members.

    Raises BrokerError, or TimeoutError.
    """
    async with asyncio.timeout(START_SECONDS), _admin(kafka) as admin:
        coordinator = await admin.find_coordinator(group)
        answer = await admin._client.send(coordinator, DeleteGroupsRequest([group]))  # noqa: SLF001 - no public way
    return all(each[1] == 0 for each in answer.results)


@contextlib.asynccontextmanager
async def _admin(kafka: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.client(), request_timeout_ms=5000)
    try:
        await start(admin, kafka)
        yield admin
    finally:
        closing = asyncio.ensure_future(admin.close())
        if not await within(CUT_SECONDS, closing):  # TLS waits for the peer's farewell, for half a minute
            closing.cancel()
