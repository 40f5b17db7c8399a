"""Sabotaged twins of the archive, run as `shared.archive` is. KIZUNA_TWIN names the sabotage.

`overwrite`: a name may be taken twice. `committed`: files have names of their own, and Kafka's committed offset says
where to go on. With KIZUNA_STOP it stops itself (SIGSTOP) in the midst of its first write, and says so when it
was woken and has written.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import Collection

import structlog

from shared.archive.app import run
from shared.archive.archiver import Archiver
from shared.archive.heads import Head, Heads
from shared.archive.names import chain_of
from shared.archive.settings import Settings
from shared.archive.store import Store
from shared.kafka import Place
from shared.kafka_reader import Reader
from shared.service import run_process

WRITTEN = "a_zombie_has_written"


async def overwrite(store: Store, path: str, data: bytes) -> bool:
    if os.environ.pop("KIZUNA_STOP", ""):
        os.kill(os.getpid(), signal.SIGSTOP)
        await store.replace(path, data)
        structlog.get_logger().info(WRITTEN)
    await store.replace(path, data)
    return True


async def own_name(store: Store, path: str, data: bytes) -> bool:
    chain, partition, start = path.rsplit("-", 2)
    return await overwrite(store, f"{chain}.{secrets.token_hex(4)}-{partition}-{start}", data)


async def nothing(_: Heads, cluster: str, places: Collection[Place]) -> dict[Place, Head]:
    return {place: Head(chain_of(cluster)) for place in places}


async def committed(archiver: Archiver, reader: Reader, places: Collection[Place]) -> None:
    client = reader._client
    for place in places:
        offset = await asyncio.wait_for(client.committed(reader._at(place)), 5)
        archiver._at[place] = Head(archiver._at[place].chain, offset or 0)
        reader.seek(place, offset or 0)


if __name__ == "__main__":
    if os.environ["KIZUNA_TWIN"] == "overwrite":
        Store.create = overwrite  # type: ignore[method-assign,assignment]  # the sabotage
    else:
        Store.create = own_name  # type: ignore[method-assign,assignment]  # the sabotage
        Heads.find = nothing  # type: ignore[method-assign,assignment]  # the sabotage
        Archiver._go_on = committed  # type: ignore[method-assign,assignment]  # the sabotage
    run_process(lambda: run(Settings.load()))
