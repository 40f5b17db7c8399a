"""Maps any CSV or JSON-lines file to events of one type: which column is the account, the time, which fill `data`.

A field is `FIELD=COLUMN`, or `FIELD:=COLUMN` where the text of a CSV cell is JSON (a number, a list, true). A dotted
field nests (`person.email=mail`); an empty cell or an absent key is an absent field.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from cli.errors import Misused
from cli.importer.feed import Feed, Identity, Numbered
from cli.importer.files import column_indices, csv_rows, json_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class Columns:
    """What stands where: names of columns (CSV) or keys (JSON lines). `fields` are `FIELD=COLUMN` pairs as written."""

    account: str
    time: str | None = None
    fields: tuple[tuple[str, str, bool], ...] = ()

    def names(self) -> list[str]:
        """Return all columns that are read."""
        return [self.account, *([self.time] if self.time else []), *(column for _, column, _ in self.fields)]


@dataclass(frozen=True, slots=True)
class Target:
    """What the rows become: an event type, a source, a prefix for account ids."""

    type: str
    source: str
    prefix: str = ""


def parse_fields(pairs: Sequence[str]) -> tuple[tuple[str, str, bool], ...]:
    """Return (field, column, is JSON) for each `FIELD=COLUMN` or `FIELD:=COLUMN`; `Misused` for anything else."""
    parsed = []
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (equals and field.removesuffix(":") and column):
            raise Misused(f"--field {pair} is not FIELD=COLUMN, such as event=event_name")
        parsed.append((field.removesuffix(":"), column, field.endswith(":")))
    return tuple(parsed)


def feed(path: Path, columns: Columns, target: Target) -> Feed:
    """Return the feed of a file; its name decides how it is read (`.csv`, `.jsonl`, each also `.gz` and `.xz`)."""
    stem = path.with_suffix("") if path.suffix in {".gz", ".xz"} else path
    kind = KINDS.get(stem.suffix)
    if kind is None or not path.is_file():
        raise Misused(f"{path} is no file called .csv or .jsonl (either may end in .gz or .xz)")
    return Feed(path.name, path, lambda first: events(path, kind, columns, target, first))


def events(path: Path, kind: str, columns: Columns, target: Target, first: int = 1) -> Iterator[Numbered]:
    """Yield an event per row from row `first` on."""
    rows = csv_records(path, columns) if kind == "csv" else json_rows(path)
    identity = Identity(path.name, target.prefix, target.type)
    for number, row in islice(enumerate(rows, 1), first - 1, None):
        account = row.get(columns.account)
        if account in {None, ""}:
            raise Misused(f"{path.name} row {number} has no {columns.account}: every event belongs to an account")
        event = {
            "specversion": "1.0",
            "id": identity.of(number, msgspec.json.encode(row).decode()),
            "source": target.source,
            "type": target.type,
            "subject": f"{target.prefix}{account}",
            "backfill": True,
            "data": data(row, columns.fields),
        }
        if columns.time and row.get(columns.time):
            event["time"] = moment(str(row[columns.time]))
        yield Numbered(number, msgspec.json.encode(event))


def data(row: Mapping[str, object], fields: Iterable[tuple[str, str, bool]]) -> dict[str, Any]:
    """Return an event's `data` from a row."""
    made: dict[str, Any] = {}
    for field, column, is_json in fields:
        value = row.get(column)
        if value is None or value == "":
            continue
        *parents, last = field.split(".")
        holder = made
        for parent in parents:
            holder = holder.setdefault(parent, {})
        holder[last] = msgspec.json.decode(value) if is_json and isinstance(value, str) else value
    return made


def moment(text: str) -> datetime:
    """Return the time a cell says; one without an offset is UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def csv_records(path: Path, columns: Columns) -> Iterator[dict[str, object]]:
    """Yield the rows of a CSV file by column."""
    rows = csv_rows(path)
    header = next(rows)
    column_indices(path, header, columns.names())
    for row in rows:
        yield dict(zip(header, row, strict=True))
