"""Every type keeps its contract: an example that reads, a schema that fits it, a topic, documents that are current."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.events import CODES, TYPES, BadEvent, EventType, decode_event, encode_event, type_of
from shared.events.catalog import known_type
from shared.events.schemas import FOLDER, documents, main, schema_of

KINDS = pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES.keys())
JSON_TYPES = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}


def fits(value: Any, schema: dict[str, Any], defs: dict[str, Any]) -> bool:
    """Check a document against those words of JSON Schema that the generated schemas use."""
    schema = defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "anyOf" in schema:
        return any(fits(value, option, defs) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    types = schema.get("type", [])
    if types and not any(is_a(value, name) for name in ([types] if isinstance(types, str) else types)):
        return False
    if isinstance(value, dict):
        return object_fits(value, schema, defs)
    if isinstance(value, list):
        return all(fits(part, schema.get("items", {}), defs) for part in value)
    return not isinstance(value, str) or text_fits(value, schema)


def is_a(value: Any, name: str) -> bool:
    if name in {"number", "integer"}:
        return isinstance(value, int if name == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, JSON_TYPES[name])


def object_fits(value: dict[str, Any], schema: dict[str, Any], defs: dict[str, Any]) -> bool:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    others = others if isinstance(others, dict) else {}
    return all(name in value for name in schema.get("required", [])) and all(
        fits(part, known.get(name, others), defs) for name, part in value.items()
    )


def text_fits(value: str, schema: dict[str, Any]) -> bool:
    fits_length = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return fits_length and re.search(schema.get("pattern", ""), value) is not None


def example(kind: EventType) -> bytes:
    return kind.example.read_bytes()


@KINDS
def test_the_example_decodes_and_round_trips(kind: EventType) -> None:
    event = decode_event(example(kind))
    assert event.type == kind.name
    assert type(event.data) is kind.data
    assert decode_event(encode_event(event)) == event


@KINDS
def test_the_example_shows_every_field(kind: EventType) -> None:
    shown = json.loads(example(kind))["data"]
    assert shown.keys() == set(kind.data.__struct_fields__)


@KINDS
def test_the_example_fits_its_schema(kind: EventType) -> None:
    schema = schema_of(kind)
    assert fits(json.loads(example(kind)), schema, schema["$defs"])
    assert fits(json.loads(encode_event(decode_event(example(kind)))), schema, schema["$defs"])


@KINDS
def test_schema_and_door_agree_on_what_is_required(kind: EventType) -> None:
    schema = schema_of(kind)
    for name in schema["$defs"][kind.data.__name__].get("required", []):
        event = json.loads(example(kind))
        del event["data"][name]
        assert not fits(event, schema, schema["$defs"])
        with pytest.raises(BadEvent, match=rf"data\.{name}: is required"):
            decode_event(json.dumps(event).encode())


@KINDS
def test_schema_and_door_agree_on_wrong_types(kind: EventType) -> None:
    schema = schema_of(kind)
    for name in kind.data.__struct_fields__:
        event = json.loads(example(kind))
        event["data"][name] = [[True]]
        assert not fits(event, schema, schema["$defs"])
        with pytest.raises(BadEvent, match=rf"data\.{name}"):
            decode_event(json.dumps(event).encode())


@KINDS
def test_names_topics_and_documentation(kind: EventType) -> None:
    assert re.fullmatch(r"kizuna\.[a-z_]+\.[a-z_]+", kind.name)
    assert re.fullmatch(r"[a-z]+\.v1", kind.topic)
    assert (kind.data.__doc__ or "").startswith(f"`{kind.name}`: ")
    assert known_type(kind.name) is kind
    assert type_of(decode_event(example(kind)).data) == kind.name


def test_examples_and_types_are_the_same_set() -> None:
    folder = next(iter(TYPES.values())).example.parent
    assert {path.name for path in folder.iterdir()} == {f"{name}.json" for name in TYPES}


def test_the_documents_are_current() -> None:
    assert main(["--check"]) == 0


def test_the_check_notices_stale_missing_and_left_over_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shared.events.schemas.FOLDER", tmp_path / "events")
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    (tmp_path / "events" / "README.md").write_text("edited by hand")
    (tmp_path / "events" / "kizuna.gone.away.schema.json").write_text("{}")
    capsys.readouterr()
    assert main(["--check"]) == 1
    assert "README.md, kizuna.gone.away.schema.json" in capsys.readouterr().err
    assert main([]) == main(["--check"]) == 0


def test_the_index_names_every_type_and_code() -> None:
    index = documents()["README.md"]
    assert all(f"`{name}`" in index for name in [*TYPES, *CODES])
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == index
