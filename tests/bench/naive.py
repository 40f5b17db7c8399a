"""The plain way to do it: FastAPI, a pydantic body, aiokafka `send` and await per event, producer defaults.

`python -m tests.bench.naive BOOTSTRAP PORT`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pydantic import BaseModel


class Call(BaseModel):
    """One track call."""

    type: str
    event: str
    userId: str  # noqa: N815 - Segment's name
    messageId: str  # noqa: N815 - Segment's name
    timestamp: datetime
    context: dict[str, Any]
    properties: dict[str, Any] = {}


class Batch(BaseModel):
    """What the SDKs post."""

    batch: list[Call]


def build(bootstrap: str) -> FastAPI:
    """Return the app."""
    held: list[AIOKafkaProducer] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        held.append(producer)
        yield
        await producer.stop()

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/batch")
    async def batch(body: Batch) -> dict[str, bool]:
        await asyncio.gather(
            *(
                held[0].send_and_wait("naive.v1", call.model_dump_json().encode(), key=call.context["groupId"].encode())
                for call in body.batch
            )
        )
        return {"success": True}

    return app


if __name__ == "__main__":
    uvicorn.run(build(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
