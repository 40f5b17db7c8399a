"""Reads CSV and JSON lines, plain or compressed, row by row: a file is never held in memory whole."""

from __future__ import annotations

import csv
import gzip
import io
import lzma
from typing import IO, TYPE_CHECKING, Final, cast

import msgspec

from cli.errors import Misused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIXES: Final = ("", ".gz", ".xz")
BLOCK: Final = 1 << 20


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacked when its name ends in `.gz` or `.xz`."""
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if path.suffix == ".xz":
        return lzma.open(path)
    return path.open("rb")


def csv_rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV file, its header first; a row of the wrong length is `Misused` with its number."""
    with open_bytes(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        header = next(rows, [])
        yield header
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise Misused(
                    f"{path.name} row {number} has {len(row)} fields, its header {len(header)}: repair the file"
                )
            yield row


def json_rows(path: Path) -> Iterator[dict[str, object]]:
    """Yield the objects of a file that holds one JSON object a line; empty lines are passed over."""
    decoder = msgspec.json.Decoder(dict[str, object])
    with open_bytes(path) as binary:
        for number, line in enumerate(binary, 1):
            if not line.isspace():
                try:
                    yield decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise Misused(f"{path.name} line {number} is not a JSON object: {error}") from error


def row_count(path: Path) -> int:
    """Count line ends, which are the rows and the header of a CSV file: for the progress bar, not for correctness."""
    with open_bytes(path) as binary:
        return sum(block.count(b"\n") for block in iter(lambda: binary.read(BLOCK), b""))


def column_indices(path: Path, header: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return where the named columns stand in a header; `Misused` names the ones that are missing."""
    missing = [name for name in names if name not in header]
    if missing:
        raise Misused(f"{path.name} has no column {', '.join(missing)}; its header is: {', '.join(header)}")
    return [header.index(name) for name in names]


def find(folder: Path, stems: Sequence[str], kind: str = ".csv") -> Path | None:
    """Return the first file of a folder called by one of the stems, plain or compressed, or None."""
    candidates = (folder / f"{stem}{kind}{suffix}" for stem in stems for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)
