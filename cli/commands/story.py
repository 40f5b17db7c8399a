"""`demo`: the story that `make demo` tells, on a stack that is up."""

from pathlib import Path
from typing import Annotated

import typer

from cli.demo.performance import perform
from cli.errors import Misused
from cli.output import JSON_WANTED, console, notes
from shared.clock import now

SLICE = Path(__file__).parents[2] / "tests" / "data" / "crm6_slice"


def demo(
    folder: Annotated[Path, typer.Option("--slice", help="A folder as `python -m cli.demo.slice` makes it.")] = SLICE,
) -> None:
    """Post a slice of history, play three scenes on top as live events, and show what the services made of it.

    Needs the stack (`kizuna up`). Everything printed is read from the services. Run again on the same stack it
    changes nothing; after a restart it plays with a new set of accounts beside the old (`rm -r .run` begins anew).
    """
    if JSON_WANTED.get():
        raise Misused("demo is a story for people and has no --json; the commands that it names have")
    if not folder.is_dir():
        raise Misused(f"{folder} is no folder: `python -m cli.demo.slice DIR OUT` makes one")
    perform(folder, now(), console(), notes())
