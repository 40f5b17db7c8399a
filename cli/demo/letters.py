"""How a message that arrived in the local inbox looks in a terminal: Slack's blocks, a mail's text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rich.panel import Panel
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK: Final = re.compile(r"<([^|>]+)\|([^>]+)>|<([^>]+)>")
ENTITIES: Final = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
URL: Final = re.compile(r"(https?://\S{40})\S+")
BOLD: Final = re.compile(r"\*([^*\n]+)\*\n?")
MOST_LINES: Final = 40


def letter(message: dict[str, Any]) -> Panel:
    """Draw one message of the inbox."""
    if message["channel"] == "slack":
        return Panel(
            slack(message), title=f"Slack to {message['to']}", title_align="left", border_style="magenta", width=100
        )
    mail = Text(f"{message.get('subject') or message['headers'].get('Subject', '')}\n\n", style="bold")
    lines = URL.sub(r"\1…", message["text"].strip()).splitlines()
    mail.append("\n".join(lines[:MOST_LINES]), style="not bold")
    return Panel(mail, title=f"Mail to {message['to']}", title_align="left", border_style="blue", width=100)


def slack(message: dict[str, Any]) -> Text:
    """Write the blocks of a Slack message, or its text where it has none."""
    parts = [part for block in message.get("blocks") or () for part in block_parts(block)]
    return Text("\n").join(parts) if parts else Text(message["text"])


def block_parts(block: dict[str, Any]) -> Iterator[Text]:
    """Yield what a block shows, a line or paragraph each."""
    kind = block["type"]
    if kind == "divider":
        yield Text("─" * 40, style="dim")
    elif kind == "actions":
        yield Text("  ".join(f"[ {said(button['text'])} ]" for button in block["elements"]), style="bold")
    else:
        style = {"header": "bold", "context": "dim"}.get(kind, "")
        yield from (Text(said(text), style=style) for text in (block.get("text"), *block.get("elements", ())) if text)
        yield from (Text(BOLD.sub(r"\1: ", said(field))) for field in block.get("fields", ()))


def said(text: dict[str, Any]) -> str:
    """Return a text object's words, links by their labels."""
    words = LINK.sub(lambda match: match[2] or match[1] or match[3], str(text.get("text", "")))
    for entity, character in ENTITIES.items():
        words = words.replace(entity, character)
    return words
