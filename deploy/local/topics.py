"""Owns which topics a deployment has: those of the contracts, history's, and the dead letters of who reads them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from deploy.local.processes import StackError
from shared.events.catalog import TYPES
from shared.kafka import BrokerError
from shared.kafka_admin import create_topics
from shared.settings import cluster_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.cluster import Cluster

BACKFILL: Final = "backfill.v1"
READ_BY: Final = MappingProxyType(
    {
        "health": ("usage.v1", "billing.v1", "customer.v1"),
        "revenue": ("billing.v1",),
        "alerts": ("signals.v1", "customer.v1", "billing.v1"),
    }
)
"""The live topics that each service reads; all of them read history, too."""


def topic_names() -> list[str]:
    """Return every topic's name, without a deployment's prefix."""
    dead = [f"{topic}.{reader}.dlq" for reader, topics in READ_BY.items() for topic in (*topics, BACKFILL)]
    return [*sorted({known.topic for known in TYPES.values()}), BACKFILL, *dead]


def broker_of(environ: Mapping[str, str]) -> Cluster:
    """Return the broker that the environment describes; StackError names the variable that is missing or wrong."""
    try:
        return cluster_of(environ)
    except ValueError as error:
        raise StackError(str(error)) from None


async def make_topics(kafka: Cluster, environ: Mapping[str, str]) -> int:
    """Create the topics that are missing; returns how many there are. StackError when the broker does not comply."""
    names = topic_names()
    partitions = int(environ.get("KIZUNA_PARTITIONS") or 12)
    prefix = environ.get("KIZUNA_TOPIC_PREFIX", "")
    try:
        await create_topics(kafka, names, partitions, prefix)
    except (BrokerError, OSError) as error:
        raise StackError(
            f"The broker at {kafka.bootstrap_servers} did not create the topics: {error}.\n"
            "Is what KAFKA_… says right? Unset KAFKA_BOOTSTRAP_SERVERS to use the embedded broker."
        ) from error
    return len(names)
