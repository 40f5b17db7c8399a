"""A message as Slack's Block Kit, and the limits that Slack holds it to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.alerts.message import Button, Fact, Line, Message

MOST_BLOCKS: Final = 50
MOST_TOTAL: Final = 12_000  # Slack refuses blocks of about 13,200 characters together; that limit is not documented
HEADER: Final = 150
SECTION: Final = 3000
FIELD: Final = 2000
FIELDS: Final = 10
BUTTONS: Final = 25
BUTTON_TEXT: Final = 75
BUTTON_URL: Final = 3000
CONTEXT: Final = 10
TEXT: Final = 4000
IDENTIFIER: Final = 255
BASIC_PLANE: Final = 0xFFFF

BRACKETS: Final = str.maketrans({"<": "\u2039", ">": "\u203a"})
ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
LINES_ROOM: Final = 3500
LINE_ROOM: Final = 2900
VALUE_ROOM: Final = 250
STEP_ROOM: Final = 1200
NOTE_ROOM: Final = 250


def render(message: Message) -> dict[str, Any]:
    """Return `text` (what a notification shows) and `blocks`. Text of others is escaped: it names and links nobody."""
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": clipped(message.title, HEADER), "emoji": False}},
        {"type": "section", "fields": [_labelled(fact, VALUE_ROOM) for fact in message.facts[:FIELDS]]},
        *_lines(message),
        {"type": "section", "text": _labelled(message.next_step, STEP_ROOM)},
    ]
    if message.buttons:
        blocks.append({"type": "actions", "elements": [_button(each) for each in message.buttons[:BUTTONS]]})
    if message.notes:
        notes = [_mrkdwn(escaped(note, NOTE_ROOM)) for note in message.notes[:CONTEXT]]
        blocks.append({"type": "context", "elements": notes})
    facts = " · ".join(f"{fact.label}: {fact.value}" for fact in message.facts)
    return {"text": escaped(f"{message.title} · {facts}", 1000), "blocks": blocks}


def problems(payload: dict[str, Any]) -> list[str]:
    """Say what Slack would refuse in a payload of `render`; empty when nothing."""
    blocks = payload.get("blocks", [])
    found = [] if payload.get("text") else ["no top-level text"]
    found += [] if len(payload.get("text", "")) <= TEXT else ["text too long"]
    found += [] if len(blocks) <= MOST_BLOCKS else ["too many blocks"]
    found += [] if _total(blocks) <= MOST_TOTAL else ["blocks too long together"]
    for block in blocks:
        found += _block_problems(block)
    names = [each["action_id"] for block in blocks for each in block.get("elements", []) if "action_id" in each]
    found += [] if len(set(names)) == len(names) else ["an action_id twice"]
    return found


def escaped(text: str, room: int) -> str:
    """Escape for mrkdwn and cut to `room` characters as Slack counts them, never inside an escape."""
    return _cut((ESCAPES.get(letter, letter) for letter in text), room)


def clipped(text: str, room: int) -> str:
    """Cut plain text to `room` characters as Slack counts them; what could be read as a mention loses its brackets."""
    return _cut(text.translate(BRACKETS), room)


def _cut(pieces: Iterable[str], room: int) -> str:
    kept: list[str] = []
    used = 0
    for piece in pieces:
        used += _units(piece)
        if used > room:
            while kept and used > room - 1:
                used -= _units(kept.pop())
            return "".join(kept).rstrip() + "…"
        kept.append(piece)
    return "".join(kept)


def _units(text: str) -> int:
    """Length in UTF-16 units, the largest of the ways in which Slack may count."""
    return sum(2 if ord(letter) > BASIC_PLANE else 1 for letter in text)


def _lines(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the list in as many sections as it needs; what does not fit is counted instead."""
    section, total = f"*{escaped(message.lines_label, 100)}*", 0
    for number, line in enumerate(message.lines):
        text = _line(line)
        total += _units(text)
        if total > LINES_ROOM * (2 if line.link else 1):
            section += f"\n{escaped(message.more.format(count=len(message.lines) - number), 100)}"
            break
        if _units(section) + _units(text) > LINE_ROOM:
            yield {"type": "section", "text": _mrkdwn(section)}
            section = text
        else:
            section += f"\n{text}"
    yield {"type": "section", "text": _mrkdwn(section)}


def _line(line: Line) -> str:
    text = f"• {escaped(line.text, 400)}"
    return f"{text} <{line.link.url}|{escaped(line.link.label, 50)}>" if line.link else text


def _labelled(fact: Fact, room: int) -> dict[str, Any]:
    return _mrkdwn(f"*{escaped(fact.label, 60)}*\n{escaped(fact.value, room)}")


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _button(button: Button) -> dict[str, Any]:
    label = {"type": "plain_text", "text": clipped(button.label, BUTTON_TEXT), "emoji": False}
    made = {"type": "button", "action_id": button.id, "text": label, "url": button.url}
    return made | ({"style": "primary"} if button.primary else {})


def _block_problems(block: dict[str, Any]) -> list[str]:
    limits = {"header": HEADER, "section": SECTION}
    found = []
    if "text" in block and not 0 < len(block["text"]["text"]) <= limits[block["type"]]:
        found.append(f"{block['type']} text")
    fields = block.get("fields", [])
    if len(fields) > FIELDS or any(not 0 < len(each["text"]) <= FIELD for each in fields):
        found.append("section fields")
    if block["type"] == "section" and not fields and "text" not in block:
        found.append("empty section")
    elements = block.get("elements", [])
    if block["type"] == "context" and not 0 < len(elements) <= CONTEXT:
        found.append("context elements")
    if block["type"] == "actions":
        found += [] if 0 < len(elements) <= BUTTONS else ["too many buttons"]
        found += [f"button {each['action_id']}" for each in elements if not _button_fits(each)]
    return found


def _button_fits(button: dict[str, Any]) -> bool:
    return (
        0 < len(button["text"]["text"]) <= BUTTON_TEXT
        and len(button["url"]) <= BUTTON_URL
        and 0 < len(button["action_id"]) <= IDENTIFIER
    )


def _total(blocks: list[dict[str, Any]]) -> int:
    return len(msgspec.json.encode(blocks).decode())
