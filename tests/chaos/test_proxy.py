"""The proxy that tests put between clients and servers does to connections what it is told, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.broker import Broker
from deploy.local.ports import HOST, free_port
from shared.cluster import Cluster
from shared.kafka import BrokerError
from shared.kafka_admin import create_topics, describe
from tests.chaos.proxy import Proxy
from tests.plugins.runtime import until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE = 20  # nothing here takes longer than a busy machine does
SILENCE = 0.3


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that answers every line with the same line."""

    talking: set[asyncio.StreamWriter] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(writer)
        try:
            while line := await reader.readline():
                writer.write(line)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)  # it is closed in the loop's next round
            talking.discard(writer)

    server = await asyncio.start_server(echo, HOST, 0)
    with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()
    await until(lambda: not talking)
    await asyncio.sleep(0.05)  # so are those that the test closed


async def test_it_forwards_both_ways_and_ends_with_the_client(proxy: Proxy) -> None:
    connection = await connected(proxy)
    assert await said(connection, b"x" * 50_000 + b"\n") == b"x" * 50_000 + b"\n"
    assert proxy.open == 1
    connection[1].write_eof()
    assert await asyncio.wait_for(connection[0].read(), PATIENCE) == b""
    connection[1].close()
    await until(lambda: not proxy.open)


async def test_cut_resets_what_is_there_and_welcomes_new_ones(proxy: Proxy) -> None:
    old = await connected(proxy)
    await said(old, b"before\n")
    assert proxy.cut() == 1
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(old[0].readline(), PATIENCE)
    new = await connected(proxy)
    assert await said(new, b"after\n") == b"after\n"
    close(old, new)


async def test_refuse_turns_new_ones_away_and_lets_old_ones_go_on(proxy: Proxy) -> None:
    old = await connected(proxy)
    await said(old, b"before\n")
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connected(proxy)
    assert await said(old, b"still\n") == b"still\n"
    proxy.heal()
    new = await connected(proxy)
    assert await said(new, b"after\n") == b"after\n"
    close(old, new)


async def test_swallow_is_silent_and_what_was_swallowed_stays_so(proxy: Proxy) -> None:
    old = await connected(proxy)
    await said(old, b"before\n")
    assert proxy.swallow() == 1
    meanwhile = await connected(proxy)
    for connection in (old, meanwhile):
        assert await silent(connection)
    proxy.heal()
    for connection in (old, meanwhile):
        assert await silent(connection)
    new = await connected(proxy)
    assert await said(new, b"after\n") == b"after\n"
    close(old, meanwhile, new)


async def test_delay_holds_up_both_ways(proxy: Proxy) -> None:
    connection = await connected(proxy)
    proxy.delay(SILENCE)
    began = asyncio.get_running_loop().time()
    assert await said(connection, b"slow\n") == b"slow\n"
    assert asyncio.get_running_loop().time() - began >= 2 * SILENCE
    close(connection)


async def test_clients_of_the_broker_are_sent_through_the_proxy(tmp_path: Path) -> None:
    port = free_port()
    with Proxy(port) as proxy:
        broker = Broker(tmp_path, port, tied=True, advertised_port=proxy.port)
        try:
            broker.start()
            await create_topics(Cluster(f"{HOST}:{proxy.port}"), ["usage.v1"], 1)
            proxy.refuse()
            with pytest.raises(BrokerError):
                await describe(Cluster(broker.bootstrap_servers), ["usage.v1"])
        finally:
            broker.stop()


PRODUCE, FETCH = 0, 1


async def test_it_knows_which_produce_requests_are_unanswered() -> None:
    """They come in pieces, several in one piece, and beside others; answers come in the order of the requests."""
    answered, asked = asyncio.Event(), asyncio.Event()

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(request(PRODUCE, 1)) * 3)
        asked.set()
        await answered.wait()
        writer.write(answer(1) + answer(2)[:5])
        await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(broker, HOST, 0)
    with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        connection = await connected(proxy)
        said = request(PRODUCE, 1) + request(FETCH, 2) + request(PRODUCE, 3)
        for piece in (said[:3], said[3:30], said[30:]):
            connection[1].write(piece)
            await connection[1].drain()
            await asyncio.sleep(0.02)
        await asyncio.wait_for(asked.wait(), PATIENCE)
        assert proxy.producing == 2
        answered.set()
        await until(lambda: proxy.producing == 1)
        assert await asyncio.to_thread(proxy.cut_producing, PATIENCE) == (1, 1)
        await until(lambda: not proxy.open)
        assert await asyncio.to_thread(proxy.cut_producing, 0) == (0, 0)
        close(connection)
    server.close()
    await asyncio.sleep(0.05)


def request(kind: int, number: int) -> bytes:
    body = kind.to_bytes(2) + b"\0\7" + number.to_bytes(4) + b"x" * 20
    return len(body).to_bytes(4) + body


def answer(number: int) -> bytes:
    return (6).to_bytes(4) + number.to_bytes(4) + b"\0\0"


async def connected(proxy: Proxy) -> Streams:
    return await asyncio.open_connection(HOST, proxy.port)


async def said(connection: Streams, line: bytes) -> bytes:
    connection[1].write(line)
    return await asyncio.wait_for(connection[0].readline(), PATIENCE)


async def silent(connection: Streams) -> bool:
    connection[1].write(b"anybody\n")
    try:
        await asyncio.wait_for(connection[0].readline(), SILENCE)
    except TimeoutError:
        return True
    return False


def close(*connections: Streams) -> None:
    for _, writer in connections:
        writer.close()
