"""What a command prints: one JSON document with `--json`, else tables and lines for people; notes go to stderr.

Colours and widths follow the terminal. Into a pipe a table is wide enough that no cell is cut.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

JSON_WANTED: Final[ContextVar[bool]] = ContextVar("json_wanted", default=False)
"""Whether the command that runs was given `--json`. Set by `main`, so that no command has to pass it on."""
PIPE_WIDTH: Final = 200
NOTHING: Final = "·"


def show(document: object, people: Callable[[Console], None]) -> None:
    """Print the document as JSON when `--json` was given, else let `people` draw it."""
    if JSON_WANTED.get():
        print_json(document)
    else:
        people(console())


def end(message: str, exit_code: int) -> NoReturn:
    """End a command that has shown its answer already, saying on stderr why the exit code is not 0."""
    notes().print(message, style="red", soft_wrap=True, markup=False)
    raise typer.Exit(exit_code)


def print_json(document: object) -> None:
    """Print one JSON document, indented, on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def console() -> Console:
    """Return where people read."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def notes() -> Console:
    """Return where progress and remarks go, which is never stdout."""
    return Console(stderr=True, highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> Table:
    """Lay out rows under column names; None is a dash. A column whose name ends in ">" stands to the right."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    return made


def table_or(nothing: str, made: Table) -> Table | str:
    """Return a table, or a sentence in place of one that has no rows."""
    return made if made.row_count else nothing


def plain(value: object) -> str:
    """Write a cell: a dash for nothing, lists with commas, escapes for what a terminal would act upon."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, list | tuple):
        return ", ".join(plain(part) for part in value) or NOTHING
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in str(value))
