"""The shape that all commands share: an app or a group of them, and the hint at `--json` under each command's help."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

HINT: Final = "--json, anywhere, prints one JSON document on stdout and nothing else there."
AS_WRITTEN: Final = "\b\n"
"""Before a paragraph of help: its lines are not to be filled."""

Run = TypeVar("Run", bound="Callable[..., None]")


def new_app(help_text: str, **settings: Any) -> typer.Typer:
    """Return an app or a group of commands."""
    return typer.Typer(
        help=help_text, epilog=HINT, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]}, **settings,
    )  # fmt: skip


def command(app: typer.Typer, name: str) -> Callable[[Run], Run]:
    """Add a function to an app as a command. Its docstring is the help; what follows `Example:` stays a line."""

    def added(run: Run) -> Run:
        app.command(name, help=helped(run), short_help=first_line(run), epilog=HINT)(run)
        return run

    return added


def first_line(run: Callable[..., None]) -> str:
    """Return what a list of commands says of a function; whole, where Click would cut a sentence that is long."""
    return inspect.cleandoc(run.__doc__ or "").partition("\n")[0]


def helped(run: Callable[..., None]) -> str:
    """Return a function's docstring as help."""
    return inspect.cleandoc(run.__doc__ or "").replace("Example: ", f"{AS_WRITTEN}Example:\n  ")
