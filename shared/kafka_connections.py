"""Two things that the client's connections do wrong, mended: what uvloop raises, and why a broker cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.conn import AIOKafkaConnection, CloseReason, collect_hosts
from aiokafka.errors import KafkaConnectionError, KafkaError

if TYPE_CHECKING:
    from collections.abc import Awaitable

_refusals: dict[tuple[str, int], str] = {}
_send = AIOKafkaConnection.send
_connect = AIOKafkaConnection.connect


def refusals(bootstrap_servers: str) -> list[str]:
    """Return why brokers cannot be had, as the last attempts ended."""
    places = sorted((host, port) for host, port, _ in collect_hosts(bootstrap_servers))
    return [_refusals[each] for each in places if each in _refusals]


def _send_or_say_so(self: AIOKafkaConnection, request: object, expect_response: bool = True) -> Awaitable[object]:  # noqa: FBT001, FBT002 - the client's own signature
    """Send a request; a connection that has just closed is the broker's trouble, as the client expects.

    uvloop raises RuntimeError there, asyncio does not. It ended the client's background tasks for good: the member kept
    its partitions, read nothing any more and said that all was well.
    """
    try:
        sent: Awaitable[object] = _send(self, request, expect_response)  # type: ignore[no-untyped-call]  # untyped client
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"The connection has just closed: {error}") from error
    return sent


async def _connect_or_note_why(self: AIOKafkaConnection) -> object:
    """Connect, noting why a broker cannot be had: the client logs it and then says no more than that it found none."""
    place = self.host, self.port
    try:
        streams: object = await _connect(self)  # type: ignore[no-untyped-call]  # untyped client
    except (OSError, KafkaError) as error:
        why = f"{self.host}:{self.port}: {str(error) or repr(error)}"
        if isinstance(error, KafkaConnectionError):  # somebody listened, and hung up on the first words
            why += f" ({error.__cause__}). Is {self._security_protocol} what is spoken there?"
        _refusals[place] = why
        raise
    except (ValueError, LookupError) as error:  # a login that is no login: the client does not expect what it raises
        _refusals[place] = f"{self.host}:{self.port}: {error!r}"
        raise KafkaConnectionError(_refusals[place]) from error
    _refusals.pop(place, None)
    return streams


AIOKafkaConnection.send = _send_or_say_so  # type: ignore[method-assign]  # there is no other place to catch it
AIOKafkaConnection.connect = _connect_or_note_why  # type: ignore[method-assign]  # nor is there for this
