"""The client's starts and stops, in time, and what its connections do wrong, mended.

Mended are: what uvloop raises, why a broker cannot be had, what is left open.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason, collect_hosts
from aiokafka.errors import KafkaConnectionError, KafkaError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiokafka.client import AIOKafkaClient

    from shared.cluster import Cluster

START_SECONDS = 2.0
STOP_SECONDS = 3.0
CUT_SECONDS = 1.0

_refusals: dict[tuple[str, int], str] = {}


def refusals(bootstrap_servers: str) -> list[str]:
    """Return why brokers cannot be had, as the last attempts ended."""
    places = sorted((host, port) for host, port, _ in collect_hosts(bootstrap_servers))
    return [_refusals[each] for each in places if each in _refusals]


class _Starts(Protocol):
    """The client's producer, consumer and admin, which are untyped."""

    async def start(self) -> None: ...


class _Stops(Protocol):
    """The client's producer and consumer, which are untyped."""

    async def stop(self) -> None: ...


async def start(client: _Starts, kafka: Cluster) -> None:
    """Start a client. Raises BrokerError that says of each broker why it cannot be had."""
    try:
        await client.start()
    except KafkaConnectionError as error:
        why = "; ".join(refusals(kafka.bootstrap_servers)) or error
        raise KafkaConnectionError(f"No broker can be had: {why}") from error


async def stop(client: _Stops, below: AIOKafkaClient) -> None:
    """Stop within `STOP_SECONDS`. A broker that says nothing is waited for no longer: its connections are closed."""
    stopping = asyncio.ensure_future(client.stop())
    if not await within(STOP_SECONDS, stopping):
        await within(CUT_SECONDS, asyncio.ensure_future(below.close()))
        if not await within(CUT_SECONDS, stopping):
            stopping.cancel()
            await within(CUT_SECONDS, stopping)


async def within(seconds: float, work: asyncio.Future[Any]) -> bool:
    """Wait for work, however it ends, and return whether it has ended.

    It is not waited for until it minds being cancelled, as `asyncio.wait_for` does: the client sometimes does not.
    """
    await asyncio.wait({work}, timeout=seconds)
    if work.done():
        with contextlib.suppress(asyncio.CancelledError):
            work.exception()
    return work.done()


_Base: Any = AIOKafkaConnection  # untyped


class Connection(_Base):  # type: ignore[misc]  # whose base is as untyped as the client
    """The client's connection; all of the client's connections are of this kind."""

    _writer = None  # until it is made

    def send(self, request: object, **expecting: object) -> Awaitable[object]:
        """Send a request; a connection that has just closed is the broker's trouble, as the client expects.

        uvloop raises RuntimeError there, asyncio does not. It ended the client's background tasks for good: the member
        kept its partitions, read nothing any more and said that all was well.
        """
        try:
            sent: Awaitable[object] = super().send(request, **expecting)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"The connection has just closed: {error}") from error
        return sent

    async def connect(self) -> object:
        """Connect, noting why a broker cannot be had: the client logs it, and then says only that it found none."""
        place = self.host, self.port
        try:
            streams: object = await super().connect()
        except (OSError, KafkaError) as error:
            why = f"{self.host}:{self.port}: {str(error) or repr(error)}"
            if isinstance(error, KafkaConnectionError):  # somebody listened, and hung up on the first words
                why += f" ({error.__cause__}). Is {self._security_protocol} what is spoken there?"
            _refusals[place] = why
            raise
        except (ValueError, LookupError) as error:  # a login that is no login: the client does not expect these
            _refusals[place] = f"{self.host}:{self.port}: {error!r}"
            raise KafkaConnectionError(_refusals[place]) from error
        _refusals.pop(place, None)
        return streams

    def __del__(self) -> None:
        """Close what the client dropped when it saw before the reader's task that the peer had hung up."""
        if self._writer is not None and not self.connected() and not self._loop.is_closed():
            self._on_close_cb = None
            self.close(reason=CloseReason.CONNECTION_BROKEN)  # whoever waits for an answer is told
        super().__del__()


vars(conn)["AIOKafkaConnection"] = Connection
