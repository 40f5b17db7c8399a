"""Owns writing: a producer that returns when all in-sync replicas have what it was given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.kafka import MIB, BrokerError
from shared.kafka_connections import START_SECONDS, start, stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.cluster import Cluster
    from shared.kafka import Record

REQUEST_BYTES = 4 * MIB
BATCH_BYTES = 512 * 1024


class Producer:
    """An acks=all, zstd producer over `create_batch`/`send_batch`. Idempotent where the broker can."""

    def __init__(self, client: AIOKafkaProducer) -> None:
        self._client = client
        self._unsent: set[asyncio.Future[list[object]]] = set()

    @classmethod
    async def connect(cls, kafka: Cluster, request_seconds: float) -> Producer:
        """Return a started producer. Raises BrokerError, saying why, when no broker can be had."""
        for idempotent in (True, False):
            client = AIOKafkaProducer(
                **kafka.client(),
                acks="all",
                compression_type="zstd",
                enable_idempotence=idempotent,
                max_request_size=REQUEST_BYTES,
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=int(request_seconds * 1000),
                retry_backoff_ms=50,
            )
            try:
                await asyncio.wait_for(start(client, kafka), START_SECONDS)
            except (KafkaError, TimeoutError) as error:
                await stop(client, client.client)
                if isinstance(error, KafkaConnectionError):
                    raise
                if not idempotent or isinstance(error, TimeoutError):
                    raise KafkaConnectionError(f"No answer from {kafka.bootstrap_servers}: {error!r}") from error
            except asyncio.CancelledError:
                await stop(client, client.client)
                raise
            else:
                return cls(client)
        raise AssertionError  # the loop returns or raises

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return len(await self._client.partitions_for(topic))

    def leader(self, topic: str, partition: int) -> int:
        """Return the broker that leads a partition, -1 while none is known."""
        found = self._client.client.cluster.leader_for_partition(TopicPartition(topic, partition))
        return -1 if found is None else int(found)

    async def send(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """Write records of one partition in order; return when all are acknowledged by all in-sync replicas."""
        waiting, batch = [], self._client.create_batch()
        for record in records:
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)) is None:
                waiting.append(await self._client.send_batch(batch, topic, partition=partition))
                batch = self._client.create_batch()
                batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
        waiting.append(await self._client.send_batch(batch, topic, partition=partition))
        self._unsent.add(sent := asyncio.gather(*waiting))
        try:
            await sent
        finally:
            self._unsent.discard(sent)

    async def ping(self) -> None:
        """Ask the cluster for its metadata; raises BrokerError when it does not answer."""
        await self._client.client.fetch_all_metadata()

    async def stop(self) -> None:
        """Give up what is not acknowledged yet, and stop, whatever state the client is in."""
        for sent in self._unsent:
            if not sent.done():
                sent.set_exception(BrokerError("The producer was given up before the broker acknowledged."))
        await stop(self._client, self._client.client)
