"""The AsyncAPI document is valid by the official schema, current, and says of every topic what the code does."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from deploy.asyncapi import FILE, WRITTEN_BY, document, main
from deploy.local.topics import topic_names
from shared.events import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = Path(__file__).parents[1] / "data" / "asyncapi_schema" / "3.0.0.json.xz"


@cache
def validator() -> Any:
    schema = json.loads(lzma.decompress(SCHEMA.read_bytes()))
    return jsonschema.validators.validator_for(schema)(schema)


def test_it_is_valid() -> None:
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator().iter_errors(document())]
    assert errors == []


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ("asyncapi", "9.9.9"),
        ("info", {}),
        ("channels", {"x": {"address": 7}}),
        ("operations", {"x": {"action": "eat"}}),
    ],
)
def test_the_schema_finds_what_is_wrong(part: str, broken: Any) -> None:
    assert not validator().is_valid(document() | {part: broken})


def test_every_topic_is_a_channel_and_every_type_a_message() -> None:
    found = document()
    assert found["channels"].keys() == set(topic_names())
    assert found["components"]["messages"].keys() == {*TYPES, "dead_letter"}
    assert {topic for topics in WRITTEN_BY.values() for topic in topics} >= {kind.topic for kind in TYPES.values()}


def test_every_reference_leads_somewhere() -> None:
    found = document()
    for reference in references(found):
        file, _, pointer = reference.partition("#")
        if file:
            assert (FILE.parent / file).exists(), reference
            continue
        place: Any = found
        for step in pointer.strip("/").split("/"):
            place = place[step]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for child in part.values():
            yield from references(child)
    if isinstance(part, list):
        for child in part:
            yield from references(child)


def test_the_file_is_what_would_be_written() -> None:
    assert main(["--check"]) == 0
