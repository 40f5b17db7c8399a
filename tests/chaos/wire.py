"""Listens to one Kafka connection: which Produce requests have gone to the broker and are not answered yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH: Final = 4  # bytes, before every request and every answer
ASKED: Final = LENGTH + 8  # then: which request it is and in which version (2 bytes each), its number (4)
ANSWERED: Final = LENGTH + 4  # then: the number of the request
PRODUCE: Final = b"\0\0"


class Talk:
    """What is said on one connection. `producing` are the numbers of the Produce requests without an answer."""

    def __init__(self) -> None:
        self._asked, self._answered = _Heads(ASKED), _Heads(ANSWERED)
        self.producing: set[bytes] = set()

    def ask(self, data: bytes) -> None:
        """Take note of what the client has said."""
        for head in self._asked.of(data):
            if head[:2] == PRODUCE:
                self.producing.add(head[4:])

    def answer(self, data: bytes) -> None:
        """Take note of what the broker has said."""
        for number in self._answered.of(data):
            self.producing.discard(number)


class _Heads:
    """Finds the first bytes of each message, however the stream is cut into pieces."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._begun = b""
        self._skip = 0

    def of(self, data: bytes) -> Iterator[bytes]:
        """Return the heads that are whole now, without the length."""
        while data:
            if self._skip:
                skipped = min(self._skip, len(data))
                self._skip -= skipped
                data = data[skipped:]
                continue
            wanted = self._size - len(self._begun)
            self._begun, data = self._begun + data[:wanted], data[wanted:]
            if len(self._begun) == self._size:
                yield self._begun[LENGTH:]
                self._skip = max(int.from_bytes(self._begun[:LENGTH]) - self._size + LENGTH, 0)
                self._begun = b""
