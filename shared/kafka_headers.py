"""Reading on past a record whose header names are no UTF-8: the client's fast parser raises there, again and again.

Headers decide nothing here, so such a record is judged like any other. Once one was met, this process reads with the
client's slower parser in Python, which is told to escape what it cannot decode.
"""

from __future__ import annotations

from typing import Any

import structlog
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

log = structlog.get_logger()


def read_any_header() -> None:
    """From now on let every consumer of this process read records whatever their headers are called."""
    log.warning("header_name_is_no_utf8", remedy="Find who produces it; reading goes on, more slowly.")
    fetcher.MemoryRecords = _Records  # type: ignore[attr-defined]  # the client's own name for its parser


class _Escaping(bytearray):
    """Bytes that decode to escapes where they are no UTF-8, and so do their parts."""

    def __getitem__(self, at: Any) -> Any:
        part = super().__getitem__(at)
        return _Escaping(part) if isinstance(at, slice) else part

    def decode(self, *_: Any) -> str:
        return bytes(self).decode("utf-8", "backslashreplace")


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]  # marked final; there is no other way in
    def __iter__(self) -> Any:
        super().__iter__()  # decompresses
        self._buffer = _Escaping(self._buffer)
        return self


class _Records(_MemoryRecordsPy):  # type: ignore[misc]  # marked final; there is no other way in
    def next_batch(self, *_: Any) -> Any:
        piece = self._next_slice
        batch = super().next_batch()
        return _Batch(piece or b"") if isinstance(batch, DefaultRecordBatch) else batch
