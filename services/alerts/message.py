"""What a message says, before any channel gives it a shape. Pure values; all text is plain and unescaped.

Every channel renders the same content, so a fact that stands in the Slack message also stands in the mail.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Line:
    """One point of a list, optionally with something to follow."""

    text: str
    link: Button | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A link that acts. `id` is unique within its message."""

    id: str
    label: str
    url: str
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person, in one language. `more` counts the lines that a channel leaves out."""

    language: str
    title: str
    facts: tuple[Fact, ...]
    lines_label: str
    lines: tuple[Line, ...]
    more: str
    next_step: Fact
    buttons: tuple[Button, ...] = ()
    notes: tuple[str, ...] = ()


def one_line(text: str, limit: int = 200) -> str:
    """Flatten text that others wrote to one printable line of at most `limit` characters."""
    kept = "".join(" " if _invisible(letter) else letter for letter in text)
    flat = " ".join(kept.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _invisible(letter: str) -> bool:
    """Control and format characters and lone surrogates: they break headers or turn the reading order around."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
