"""Shows how far an import is: a bar with rate and time left on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

LINE_EVERY: Final = 3.0


class Rate(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        """Write the rate of a task, blank until there is one."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="cyan")


class Meter:
    """Progress of one feed after another. Rows are those of the file, whether sent now or in an earlier run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description:>14}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None, visible=False)
        self._name = ""
        self._total = self._began_with = 0
        self._began = self._said = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def feed(self, name: str, total: int, done: int) -> None:
        """Begin with a feed of `total` rows of which `done` are acknowledged already."""
        self._name, self._total, self._began_with = name, total, done
        self._began = self._said = time.monotonic()
        self._task = self._bar.add_task(name, total=total, completed=done)

    def at(self, row: int) -> None:
        """Say that everything up to `row` is acknowledged."""
        self._bar.update(self._task, completed=row)
        if self._bar.disable and time.monotonic() - self._said >= LINE_EVERY:
            self._line(row)

    def finished(self, row: int) -> None:
        """Say that the feed is through, `row` being its last."""
        self._bar.update(self._task, completed=row, total=row)
        if self._bar.disable:
            self._line(row)

    def _line(self, row: int) -> None:
        self._said = time.monotonic()
        seconds = max(self._said - self._began, 1e-6)
        rate = (row - self._began_with) / seconds
        left = f", {(self._total - row) / rate:.0f} s left" if rate and self._total > row else ""
        self._console.print(
            f"{self._name}: {row:,} of {max(self._total, row):,} rows, {rate:,.0f}/s{left}", soft_wrap=True
        )
