"""Owns Slack's documented limits for the blocks of a message (docs.slack.dev, reference of Block Kit).

Blocks that the page cannot show (rich_text, video, input …) count as unsupported: what was accepted can be seen.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from deploy.local.inbox.rules import Rule, complaint, flag, link, many, one_of, shape, string, typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_BLOCKS: Final = 50
MOST_CHARACTERS: Final = 13_200
"""All blocks together as JSON; beyond it Slack answers `msg_blocks_too_long`, though its reference does not say so."""


def faults_of(blocks: Any) -> list[str]:
    """Return what Slack would complain about, in the order of the blocks; empty when it would take them."""
    return [*_BLOCKS(blocks, "/blocks"), *_repeated_ids(blocks)]


def too_long(blocks: Any) -> bool:
    """Whether the blocks are too long taken together."""
    return len(msgspec.json.encode(blocks).decode()) > MOST_CHARACTERS


def _repeated_ids(blocks: Any) -> Iterator[str]:
    """Block ids are unique in a message, action ids within their block."""
    shaped = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    yield from _repeated(shaped, "block_id", "/blocks")
    for index, block in enumerate(shaped):
        elements = block.get("elements")
        inside = [*(elements if isinstance(elements, list) else []), block.get("accessory")]
        yield from _repeated([part for part in inside if isinstance(part, dict)], "action_id", f"/blocks/{index}")


def _repeated(parts: list[Any], field: str, place: str) -> Iterator[str]:
    seen = Counter(part[field] for part in parts if isinstance(part.get(field), str))
    for name, times in seen.items():
        if times > 1:
            yield complaint(f"`{field}` {name} is used {times} times", place)


def _text(most: int, *kinds: str) -> Rule:
    kinds = kinds or ("plain_text", "mrkdwn")
    fields = {"plain_text": {"emoji": flag}, "mrkdwn": {"verbatim": flag}}
    return typed({kind: shape({"type": one_of(kind), "text": string(most)}, fields[kind]) for kind in kinds})


def _part(name: str, required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Rule:
    return shape({"type": one_of(name), **required}, optional)


def _block(name: str, required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Rule:
    return _part(name, required, {"block_id": string(255), **optional})


def _section(value: Any, place: str) -> Iterator[str]:
    yield from _SECTION(value, place)
    if "text" not in value and "fields" not in value:
        yield complaint("a section needs text or fields", place)


_PLAIN: Final = "plain_text"
_STYLE: Final = one_of("primary", "danger")
_OPTION: Final = shape({"text": _text(75), "value": string(150)}, {"description": _text(75, _PLAIN), "url": link(3000)})
_CONFIRM: Final = shape(
    {"title": _text(100, _PLAIN), "text": _text(300), "confirm": _text(30, _PLAIN), "deny": _text(30, _PLAIN)},
    {"style": _STYLE},
)
_ACTION: Final = {"action_id": string(255), "confirm": _CONFIRM}
_BUTTON: Final = _part(
    "button",
    {"text": _text(75, _PLAIN)},
    {**_ACTION, "url": link(3000), "value": string(2000), "style": _STYLE, "accessibility_label": string(75)},
)
_OVERFLOW: Final = _part("overflow", {"options": many(_OPTION, 5)}, _ACTION)
_SELECT: Final = _part(
    "static_select",
    {"options": many(_OPTION, 100)},
    {**_ACTION, "placeholder": _text(150, _PLAIN), "initial_option": _OPTION},
)
_IMAGE: Final = _part("image", {"image_url": link(3000), "alt_text": string(2000)}, {})
_INTERACTIVE: Final = {"button": _BUTTON, "overflow": _OVERFLOW, "static_select": _SELECT}
_TEXTS: Final = {kind: _text(3000, kind) for kind in (_PLAIN, "mrkdwn")}
_SECTION: Final = _block(
    "section",
    {},
    {
        "text": _text(3000),
        "fields": many(_text(2000), 10),
        "accessory": typed({**_INTERACTIVE, "image": _IMAGE}),
        "expand": flag,
    },
)
_BLOCKS: Final = many(
    typed(
        {
            "header": _block("header", {"text": _text(150, _PLAIN)}, {}),
            "section": _section,
            "divider": _block("divider", {}, {}),
            "context": _block("context", {"elements": many(typed({**_TEXTS, "image": _IMAGE}), 10)}, {}),
            "actions": _block("actions", {"elements": many(typed(_INTERACTIVE), 25)}, {}),
            "image": _block(
                "image", {"image_url": link(3000), "alt_text": string(2000)}, {"title": _text(2000, _PLAIN)}
            ),
        }
    ),
    MOST_BLOCKS,
    least=0,
)
