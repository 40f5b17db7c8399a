"""What the client's connections do wrong, mended: what uvloop raises, why a broker cannot be had, what is left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason, collect_hosts
from aiokafka.errors import KafkaConnectionError, KafkaError

if TYPE_CHECKING:
    from collections.abc import Awaitable

_refusals: dict[tuple[str, int], str] = {}


def refusals(bootstrap_servers: str) -> list[str]:
    """Return why brokers cannot be had, as the last attempts ended."""
    places = sorted((host, port) for host, port, _ in collect_hosts(bootstrap_servers))
    return [_refusals[each] for each in places if each in _refusals]


_Base: Any = AIOKafkaConnection  # untyped


class Connection(_Base):  # type: ignore[misc]  # whose base is as untyped as the client
    """The client's connection; all of the client's connections are of this kind."""

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
            self._writer.close()
        super().__del__()


vars(conn)["AIOKafkaConnection"] = Connection
