"""The OpenAPI documents: current, complete, and the same at every run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from deploy import openapi
from deploy.openapi import documents, main
from services.ingest.asgi import ROUTES
from shared.roles import COMMON, RANK, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APIS: dict[str, dict[str, Any]] = {name.removesuffix(".json"): json.loads(text) for name, text in documents().items()}
EACH = pytest.mark.parametrize("service", sorted(ROLES))


def operations(service: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in APIS[service]["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from references(each)


@EACH
def test_every_route_is_described_with_its_role_and_no_other(service: str) -> None:
    roles = {route.replace(":path}", "}"): role for route, role in (COMMON | ROLES[service]).items()}
    assert {name: operation["x-kizuna-role"] for name, operation in operations(service)} == roles


@EACH
def test_what_needs_a_token_or_a_key_says_so(service: str) -> None:
    known = APIS[service]["components"]["securitySchemes"]
    for name, operation in operations(service):
        needed = operation["x-kizuna-role"] in {*RANK, "key"}
        assert bool(operation.get("security")) is needed, name
        assert all(set(each) <= set(known) for each in operation.get("security", ()))


@EACH
def test_every_operation_is_told_and_every_reference_leads_somewhere(service: str) -> None:
    for name, operation in operations(service):
        assert operation.get("description") or operation.get("summary"), name
        assert "422" not in operation["responses"], f"{name}: bad requests are 400 here"
    schemas = APIS[service]["components"]["schemas"]
    assert {each.rpartition("/")[2] for each in references(APIS[service])} <= set(schemas)


def test_the_hot_routes_are_those_that_are_served() -> None:
    described = {name.partition(" ")[2] for name, operation in operations("ingest") if name.startswith("POST")}
    assert set(ROUTES) <= described


def test_the_documents_are_current_and_always_the_same() -> None:
    assert main(["--check"]) == 0
    assert documents() == documents()


def test_the_check_notices_stale_missing_and_left_over_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openapi, "FOLDER", tmp_path / "api")
    assert main(["--check"]) == 1
    assert main([]) == main(["--check"]) == 0
    (tmp_path / "api" / "health.json").write_text("{}")
    (tmp_path / "api" / "gone.json").write_text("{}")
    capsys.readouterr()
    assert main(["--check"]) == 1
    assert "gone.json, health.json" in capsys.readouterr().err
    assert main([]) == main(["--check"]) == 0
