"""What every API answers: errors as {"code", "message"}, access by one table, honest probes, pages."""

import base64
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Request
from httpx import ASGITransport, AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from shared.access import Access, mint, new_key_pair
from shared.errors import BadRequest, NotReady
from shared.http import MOST_BYTES, Kit, caller, check_routes, create_app
from shared.pages import Limit, decode_cursor, decode_number, encode_cursor, page
from shared.roles import ROLES

PRIVATE, PUBLIC = new_key_pair()


def token(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {mint(PRIVATE, 'mika', role, timedelta(hours=1))}"}


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncClient]:
    async def down() -> str | None:
        return "does not answer"

    monkeypatch.setitem(
        ROLES, "toy", {"GET /v1/things": "viewer", "POST /v1/things": "manager", "GET /v1/bad": "viewer"}
    )
    app = create_app("toy", Kit(Access(PUBLIC), {"database": down}, {"consumer": lambda: None}))

    @app.get("/v1/things")
    async def things(request: Request, limit: Limit = 2) -> dict[str, Any]:
        return {"who": caller(request).id, "limit": limit}

    @app.post("/v1/things")
    async def make(wish: Annotated[dict[str, Any] | None, Body()] = None) -> dict[str, Any]:
        return wish or {}

    @app.get("/v1/bad")
    async def bad(kind: str) -> None:
        raise {"request": BadRequest("no"), "world": OSError("gone"), "busy": NotReady("later"), "code": KeyError("x")}[
            kind
        ]

    transport = ASGITransport(check_routes(app), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://toy") as client:
        yield client


async def test_roles_open_and_close_routes(client: AsyncClient) -> None:
    assert (await client.get("/v1/things")).status_code == 401
    assert (await client.get("/v1/things", headers=token("viewer"))).json() == {"who": "mika", "limit": 2}
    assert (await client.post("/v1/things", headers=token("csm"))).status_code == 403
    assert (await client.post("/v1/things", headers=token("admin"))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/things", 405, "method_not_allowed"),
        ("GET", "/v1/things?limit=501", 400, "bad_request"),
        ("GET", "/v1/things?limit=x", 400, "bad_request"),
        ("GET", "/v1/bad?kind=request", 400, "bad_request"),
        ("GET", "/v1/bad?kind=busy", 503, "not_ready"),
        ("GET", "/v1/bad?kind=world", 503, "database_unavailable"),
        ("GET", "/v1/bad?kind=code", 500, "internal_error"),
    ],
)
async def test_every_error_has_a_code_and_a_message(
    client: AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path, headers=token("admin"))
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message"}
    assert answer.json()["code"] == code
    assert ("retry-after" in answer.headers) == (status == 503)


def wish(size: int) -> bytes:
    return b'{"a":"%s"}' % bytes(size - 8).replace(b"\0", b"x")


@pytest.mark.parametrize("headers", [{}, token("admin")], ids=["nobody", "admin"])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_is_read_no_further_than_its_limit(
    client: AsyncClient, headers: dict[str, str], announced: bool
) -> None:
    taken = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield bytes(MOST_BYTES // 4)

    content = wish(MOST_BYTES + 1) if announced else pieces()
    answer = await client.post("/v1/things", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert set(answer.json()) == {"code", "message"}
    assert taken < 10


async def test_a_body_at_its_limit_is_taken(client: AsyncClient) -> None:
    answer = await client.post(
        "/v1/things", content=wish(MOST_BYTES), headers={**token("admin"), "content-type": "application/json"}
    )
    assert answer.status_code == 200
    assert (await client.post("/v1/things", content=wish(MOST_BYTES))).status_code == 401


async def test_probes_are_open_and_name_what_is_wrong(client: AsyncClient) -> None:
    assert (await client.get("/livez")).json()["parts"] == {"consumer": "ok"}
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["parts"] == {"database": "does not answer"}
    assert "kizuna_" in (await client.get("/metrics")).text


@pytest.mark.parametrize("included", [False, True])
def test_a_route_without_a_role_makes_start_up_fail(included: bool) -> None:
    app, router = create_app("health", Kit(Access(PUBLIC))), APIRouter()

    @(router if included else app).get("/v1/secret")
    async def secret() -> None: ...

    app.include_router(router)
    with pytest.raises(LookupError, match="/v1/secret"):
        check_routes(app)


@given(st.lists(st.integers(), max_size=12, unique=True), st.integers(min_value=1, max_value=5))
def test_pages_show_everything_once(numbers: list[int], limit: int) -> None:
    seen: list[int] = []
    position = 0
    while True:
        shown = page(numbers[position : position + limit + 1], limit, lambda item: item)
        seen += shown["items"]
        if shown["next_cursor"] is None:
            break
        position = numbers.index(decode_cursor(shown["next_cursor"])) + 1
    assert seen == numbers


@given(st.text())
def test_a_cursor_that_is_not_ours_is_a_bad_request(text: str) -> None:
    with contextlib.suppress(BadRequest):
        decode_cursor(text)


def test_a_cursor_may_be_as_deep_as_it_likes() -> None:
    with pytest.raises(BadRequest):
        decode_cursor(base64.urlsafe_b64encode(b"[" * 1500 + b"]" * 1500).decode())


@pytest.mark.parametrize("position", [{"a": 1}, ["a"], "r", 1.5, -1, 2**63, 10**30])
def test_a_numbered_list_takes_no_other_lists_cursor(position: object) -> None:
    assert decode_number(None) == 0
    assert decode_number(encode_cursor(7)) == 7
    with pytest.raises(BadRequest):
        decode_number(encode_cursor(position))


def test_cursors_hold_any_position() -> None:
    assert decode_cursor(encode_cursor(["a", 1])) == ["a", 1]
    assert decode_cursor(None) is None
