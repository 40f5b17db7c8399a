"""The stand-in refuses what Slack documents as too much, and takes what lies just below; slack_sdk is the oracle."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import (
    ActionsBlock,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    ImageBlock,
    MarkdownTextObject,
    Option,
    OverflowMenuElement,
    PlainTextObject,
    SectionBlock,
    StaticSelectElement,
)

from deploy.local.inbox.blockkit import faults_of, too_long

URL = "https://kizuna.example/a"


def mrkdwn(length: int) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": "x" * length}


def plain(length: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": "x" * length}


def button(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain(4), "action_id": f"a{number}", **changes}


def section(**changes: Any) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(3), **changes}


def actions(*elements: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements), **changes}


def option(length: int = 3) -> dict[str, Any]:
    return {"text": plain(length), "value": "v"}


def select(options: int, **changes: Any) -> dict[str, Any]:
    return actions({"type": "static_select", "options": [option()] * options, **changes})


def link(length: int) -> str:
    return URL + "x" * (length - len(URL))


CONFIRM = {"title": plain(100), "text": mrkdwn(300), "confirm": plain(30), "deny": plain(30)}
IMAGE = {"type": "image", "image_url": link(3000), "alt_text": "x" * 2000}

# A message's blocks that Slack takes, and the same with one thing too much, with the place that is named.
LIMITS: dict[str, tuple[list[Any], list[Any], str]] = {
    "blocks": ([section()] * 50, [section()] * 51, "/blocks"),
    "section text": ([section(text=mrkdwn(3000))], [section(text=mrkdwn(3001))], "/blocks/0/text/text"),
    "plain section text": ([section(text=plain(3000))], [section(text=plain(3001))], "/blocks/0/text/text"),
    "fields": ([section(fields=[mrkdwn(1)] * 10)], [section(fields=[mrkdwn(1)] * 11)], "/blocks/0/fields"),
    "field text": ([section(fields=[mrkdwn(2000)])], [section(fields=[mrkdwn(2001)])], "/blocks/0/fields/0/text"),
    "header": ([{"type": "header", "text": plain(150)}], [{"type": "header", "text": plain(151)}], "/blocks/0/text"),
    "header kind": ([{"type": "header", "text": plain(1)}], [{"type": "header", "text": mrkdwn(1)}], "/blocks/0/text"),
    "actions": (
        [actions(*(button(i) for i in range(25)))],
        [actions(*(button(i) for i in range(26)))],
        "/blocks/0/elements",
    ),
    "no actions": ([actions(button())], [actions()], "/blocks/0/elements"),
    "context": (
        [{"type": "context", "elements": [mrkdwn(1)] * 10}],
        [{"type": "context", "elements": [mrkdwn(1)] * 11}],
        "/blocks/0/elements",
    ),
    "button text": ([actions(button(text=plain(75)))], [actions(button(text=plain(76)))], "/blocks/0/elements/0/text"),
    "button kind": ([actions(button())], [actions(button(text=mrkdwn(4)))], "/blocks/0/elements/0/text"),
    "value": ([actions(button(value="x" * 2000))], [actions(button(value="x" * 2001))], "/blocks/0/elements/0/value"),
    "url": ([actions(button(url=link(3000)))], [actions(button(url=link(3001)))], "/blocks/0/elements/0/url"),
    "url scheme": ([actions(button(url=URL))], [actions(button(url="javascript:x()"))], "/blocks/0/elements/0/url"),
    "style": ([actions(button(style="danger"))], [actions(button(style="big"))], "/blocks/0/elements/0/style"),
    "action_id": ([actions(button(action_id="x" * 255))], [actions(button(action_id="x" * 256))], "0/action_id"),
    "block_id": ([section(block_id="x" * 255)], [section(block_id="x" * 256)], "/blocks/0/block_id"),
    "same action_id": ([actions(button(1), button(2))], [actions(button(1), button(1))], "`action_id` a1 is used 2"),
    "same block_id": (
        [section(block_id="a"), section(block_id="b")],
        [section(block_id="a"), section(block_id="a")],
        "`block_id` a is used 2",
    ),
    "confirm": (
        [actions(button(confirm=CONFIRM))],
        [actions(button(confirm=CONFIRM | {"title": plain(101)}))],
        "/confirm/title/text",
    ),
    "options": ([select(100)], [select(101)], "/blocks/0/elements/0/options"),
    "option text": (
        [actions({"type": "overflow", "options": [option(75)] * 5})],
        [actions({"type": "overflow", "options": [option(76)]})],
        "/options/0/text/text",
    ),
    "overflow": (
        [actions({"type": "overflow", "options": [option()] * 5})],
        [actions({"type": "overflow", "options": [option()] * 6})],
        "/blocks/0/elements/0/options",
    ),
    "placeholder": ([select(1, placeholder=plain(150))], [select(1, placeholder=plain(151))], "/placeholder/text"),
    "accessory": (
        [section(accessory=IMAGE)],
        [section(accessory={"type": "image", "image_url": URL})],
        "missing required field: alt",
    ),
    "image": ([{**IMAGE, "title": plain(2000)}], [{**IMAGE, "title": plain(2001)}], "/blocks/0/title/text"),
    "block type": ([{"type": "divider"}], [{"type": "marquee"}], "unsupported type: marquee"),
    "element type": ([actions(button())], [actions({"type": "checkbox"})], "unsupported type: checkbox"),
    "field name": ([section()], [section(colour="red")], "no such field: colour"),
    "bare section": ([{"type": "section", "fields": [mrkdwn(1)]}], [{"type": "section"}], "needs text or fields"),
    "empty text": ([section(text=mrkdwn(1))], [section(text=mrkdwn(0))], "/blocks/0/text/text"),
    "flags": ([section(expand=True)], [section(expand="yes")], "/blocks/0/expand"),
    "text": ([section()], [section(text="plain string")], "/blocks/0/text"),
    "list": ([], [None], "/blocks/0"),
}


@pytest.mark.parametrize(("most", "too_much", "says"), LIMITS.values(), ids=LIMITS.keys())
def test_a_limit_is_kept_and_the_place_is_named(most: list[Any], too_much: list[Any], says: str) -> None:
    assert faults_of(most) == []
    faults = faults_of(too_much)
    assert len(faults) == 1
    assert says in faults[0]


@pytest.mark.parametrize("blocks", [{}, "[]", None, 3])
def test_blocks_are_a_list(blocks: object) -> None:
    assert faults_of(blocks) == ["[ERROR] must be an array [json-pointer:/blocks]"]


def test_every_fault_is_told_not_only_the_first() -> None:
    assert len(faults_of([section(text=mrkdwn(3001)), {"type": "marquee"}, {"type": "header"}])) == 3


def test_the_total_is_bounded_where_each_block_is_not() -> None:
    blocks = [section(text=mrkdwn(2900)) for _ in range(5)]
    assert faults_of(blocks) == []
    assert too_long(blocks)
    assert not too_long(blocks[:4])


def test_the_total_counts_characters_not_bytes() -> None:
    assert not too_long([section(text={"type": "mrkdwn", "text": "絆" * 2900}) for _ in range(4)])


def test_what_slack_sdk_builds_is_taken() -> None:
    confirm = ConfirmObject(title="Sure?", text=MarkdownTextObject(text="*Really*"), confirm="Yes", deny="No")
    options = [Option(value=str(i), label=f"Option {i}") for i in range(5)]
    blocks = [
        HeaderBlock(text="Champion left", block_id="h"),
        SectionBlock(text=MarkdownTextObject(text="*Kenji* left"), fields=[MarkdownTextObject(text="*MRR*")] * 10),
        SectionBlock(text="x", accessory=ButtonElement(text="Open", action_id="open", url=URL)),
        DividerBlock(),
        ContextBlock(elements=[MarkdownTextObject(text="since"), PlainTextObject(text="now", emoji=True)]),
        ImageBlock(image_url=URL, alt_text="usage"),
        ActionsBlock(
            elements=[
                ButtonElement(text="Acknowledge", action_id="ack", url=URL, style="primary", confirm=confirm),
                OverflowMenuElement(options=options, action_id="more"),
                StaticSelectElement(placeholder="Verdict", options=options, action_id="verdict"),
            ]
        ),
    ]
    assert faults_of([block.to_dict() for block in blocks]) == []


def built(build: Any) -> list[Any] | None:
    """What slack_sdk makes of it, or None when it refuses."""
    try:
        return [build().to_dict()]
    except SlackObjectFormationError:
        return None


LENGTHS = st.integers(1, 3200)


@given(LENGTHS)
def test_header_and_section_lengths_agree_with_slack_sdk(length: int) -> None:
    assert (built(lambda: HeaderBlock(text="x" * length)) is None) == bool(
        faults_of([{"type": "header", "text": plain(length)}])
    )
    assert (built(lambda: SectionBlock(text="x" * length)) is None) == bool(faults_of([section(text=mrkdwn(length))]))


@given(LENGTHS, st.sampled_from(["text", "value", "url", "action_id"]))
def test_button_lengths_agree_with_slack_sdk(length: int, field: str) -> None:
    made: dict[str, Any] = {"text": "Go", "action_id": "go"} | {
        field: link(max(length, len(URL))) if field == "url" else "x" * length
    }
    ours = made | {"type": "button", "text": {"type": "plain_text", "text": made["text"]}}
    refused = built(lambda: ActionsBlock(elements=[ButtonElement(**made)])) is None
    assert refused == bool(faults_of([actions(ours)]))


@given(st.integers(1, 12), st.integers(1, 2100))
def test_fields_agree_with_slack_sdk(count: int, length: int) -> None:
    refused = built(lambda: SectionBlock(fields=[MarkdownTextObject(text="x" * length) for _ in range(count)])) is None
    ours = faults_of([{"type": "section", "fields": [mrkdwn(length)] * count}])
    # slack_sdk leaves the length of a field to the server.
    assert bool(ours) == (refused or length > 2000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["section", "header", "mrkdwn"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["type", "text", "elements", "block_id"]), inner, max_size=4
        )
    ),
)


@given(JSON)
def test_nothing_makes_the_check_stumble(blocks: Any) -> None:
    assert all(fault.startswith(("[ERROR]",)) for fault in faults_of(blocks))
    assert all(fault.startswith("[ERROR]") for fault in faults_of([blocks, actions(blocks, button())]))
