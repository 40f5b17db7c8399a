"""The floor: bare aiokafka loops without HTTP, checks or a database. Each prints {"events", "seconds", "cpu"}.

`python -m tests.bench.bare send BOOTSTRAP EVENTS PARALLEL SECONDS`
`python -m tests.bench.bare consume BOOTSTRAP TOPIC EVENTS`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.bench.load import events


async def send(bootstrap: str, count: int, parallel: int, seconds: float) -> dict[str, float]:
    """Send batches of `count` ready-made records from `parallel` loops, acks=all, zstd, one partition each."""
    values = [json.dumps(each).encode() for each in events(count, 1)]
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type="zstd", max_batch_size=2**20, max_request_size=2**22
    )
    await producer.start()
    partitions = sorted(await producer.partitions_for("bare.v1"))
    sent, began, cpu = 0, time.perf_counter(), time.process_time()

    async def loop(number: int) -> None:
        nonlocal sent
        while time.perf_counter() - began < seconds:
            batch = producer.create_batch()
            for value in values:
                batch.append(key=b"account-1", value=value, timestamp=None)
            await (await producer.send_batch(batch, "bare.v1", partition=partitions[number % len(partitions)]))
            sent += count

    await asyncio.gather(*(loop(n) for n in range(parallel)))
    elapsed = time.perf_counter() - began
    await producer.stop()
    return {"events": sent, "seconds": elapsed, "cpu": time.process_time() - cpu}


async def consume(bootstrap: str, topic: str, expected: int) -> dict[str, float]:
    """Read `expected` records of a topic from the beginning and throw them away."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_bytes=2**24)
    await consumer.start()
    view = await consumer._client.fetch_all_metadata()
    consumer.assign([TopicPartition(topic, p) for p in view.partitions_for_topic(topic)])
    read, began, cpu = 0, 0.0, time.process_time()
    while read < expected:
        found = await consumer.getmany(timeout_ms=1000, max_records=5000)
        began = began or time.perf_counter()
        read += sum(len(records) for records in found.values())
    elapsed = time.perf_counter() - began
    await consumer.stop()
    return {"events": read, "seconds": elapsed, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    what, servers, *rest = sys.argv[1:]
    if what == "send":
        count, parallel, seconds = rest
        found = uvloop.run(send(servers, int(count), int(parallel), float(seconds)))
    else:
        found = uvloop.run(consume(servers, rest[0], int(rest[1])))
    print(json.dumps(found))  # noqa: T201 - the result
