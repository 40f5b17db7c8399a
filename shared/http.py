"""What every HTTP API here has in common: errors as {"code", "message"}, access by one table, probes, lists."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
import structlog
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.errors import BadRequest, KizunaError, NotReady, Unauthorized
from shared.observability import READY, REGISTRY
from shared.roles import COMMON, RANK, ROLES
from shared.trouble import is_bad_text, is_world_trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from shared.access import Access, Person

    Ready: TypeAlias = Mapping[str, Callable[[], Awaitable[str | None]]]
    Alive: TypeAlias = Mapping[str, Callable[[], str | None]]
    Gauge: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger()

MOST = 500
SCRAPE_SECONDS = 4.0
BIGINT = 2**63
"""Ids of rows lie below it; the database takes no greater number."""
CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}

Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many items")]


@dataclass(slots=True)
class Kit:
    """What `create_app` needs. `ready` and `alive` map a part's name to a check that returns what is wrong, or None.

    `gauge` brings gauges up to date before they are read.
    """

    access: Access
    ready: Ready = field(default_factory=dict)
    alive: Alive = field(default_factory=dict)
    gauge: Gauge | None = None


def create_app(service: str, kit: Kit) -> FastAPI:
    """Return an app with probes, metrics, error mapping and access checks. Add routes, then call `check_routes`."""
    roles = {**COMMON, **ROLES[service]}

    async def allowed(request: Request) -> None:
        route = request.scope["route"]
        needed = roles[f"{request.method} {route.path}"]
        if needed in RANK:
            request.state.person = kit.access.verify(_bearer(request))
            request.state.person.require(needed)

    app = FastAPI(
        title=f"Kizuna {service}",
        dependencies=[Depends(allowed)],
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.roles = roles
    _map_errors(app)
    _add_probes(app, kit.ready, kit.alive, kit.gauge)
    return app


def probes(name: str, ready: Ready, alive: Alive) -> FastAPI:
    """Return an app with nothing but probes and metrics, for a process that answers no questions."""
    app = FastAPI(title=f"Kizuna {name}", docs_url=None, redoc_url=None, openapi_url=None)
    _add_probes(app, ready, alive)
    return app


def check_routes(app: FastAPI) -> FastAPI:
    """Return `app`; raise LookupError when a route has no role in `shared.roles`."""
    missing = [
        f"{method} {route.path}"
        for route in routes_of(app)
        for method in route.methods or ()
        if f"{method} {route.path}" not in app.state.roles
    ]
    if missing:
        raise LookupError(f"Say in shared/roles.py who may call {missing}.")
    return app


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Return all routes, also those of included routers, which `app.routes` hides."""
    found = (context.original_route for context in iter_route_contexts(app.routes))
    return [route for route in found if isinstance(route, APIRoute)]


def caller(request: Request) -> Person:
    """Return who asked. Only for routes whose role is one of the four."""
    person: Person = request.state.person
    return person


def page(items: Sequence[Any], limit: int, cursor_of: Callable[[Any], Any]) -> dict[str, Any]:
    """Return one page. Pass `limit + 1` items: one over the limit says that there are more."""
    shown = list(items[:limit])
    more = len(items) > limit
    return {"items": shown, "next_cursor": encode_cursor(cursor_of(shown[-1])) if more else None}


def encode_cursor(position: Any) -> str:
    """Return an opaque cursor for a JSON-encodable position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Any:
    """Return the position of a cursor (None without one). Raises BadRequest for anything that we did not hand out."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise BadRequest("The cursor is not one of ours. Take next_cursor from the former page.") from None


def decode_number(cursor: str | None) -> int:
    """Return the number that a cursor of a numbered list stands for; 0 without one. Raises BadRequest."""
    found = decode_cursor(cursor)
    if found is None:
        return 0
    if isinstance(found, int) and 0 <= found < BIGINT:
        return found
    raise BadRequest("The cursor is not one of ours. Take next_cursor from the former page.")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("Send a token: Authorization: Bearer … (mint one with `kizuna token`).")
    return token.strip()


def error_response(error: KizunaError) -> Response:
    """Return the answer for an error: its status and {"code", "message"}, with Retry-After where waiting helps."""
    headers = {}
    if isinstance(error, NotReady):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"code": error.code, "message": error.message}, error.status, headers)


def _map_errors(app: FastAPI) -> None:
    @app.exception_handler(KizunaError)
    async def known(_: Request, error: KizunaError) -> Response:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        wrong = "; ".join(f"{'.'.join(str(each) for each in e['loc'])}: {e['msg']}" for e in error.errors())
        return error_response(BadRequest(wrong.encode("utf-8", "backslashreplace").decode()))

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        code = CODES.get(error.status_code, "bad_request")
        return JSONResponse({"code": code, "message": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(DBAPIError)
    async def refused(_: Request, error: DBAPIError) -> Response:
        if not is_bad_text(error):
            raise error
        return error_response(BadRequest("No name, id or text here may hold NUL.", code="nul"))

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> Response:
        if is_world_trouble(error):
            return error_response(NotReady("The database does not answer. Try again.", code="database_unavailable"))
        log.error("request_failed", error=repr(error))
        return JSONResponse({"code": "internal_error", "message": "Something went wrong here; it is in the log."}, 500)


def _add_probes(app: FastAPI, ready: Ready, alive: Alive, gauge: Gauge | None = None) -> None:
    @app.get("/livez")
    async def livez() -> Response:
        """Say whether this process makes progress; 503 names the part that does not."""
        return _verdict({name: check() for name, check in alive.items()})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Say whether this replica can do its work; 503 names what is missing."""
        return _verdict({name: await check() for name, check in ready.items()})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return Prometheus metrics, as they are now."""
        await _measure(ready, gauge)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def _measure(ready: Ready, gauge: Gauge | None) -> None:
    """Bring gauges up to date within a scrape's patience. A part that says nothing in that time is not ready."""
    checks = {part: asyncio.ensure_future(check()) for part, check in ready.items()}
    work = [*checks.values(), *([asyncio.ensure_future(gauge())] if gauge else [])]
    if work:
        await asyncio.wait(work, timeout=SCRAPE_SECONDS)
    for part, task in checks.items():
        READY.labels(part).set(task.done() and task.exception() is None and task.result() is None)
    for task in work:
        task.cancel()
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _verdict(found: Mapping[str, str | None]) -> Response:
    trouble = {name: text for name, text in found.items() if text}
    if trouble:
        message = "; ".join(f"{name}: {text}" for name, text in trouble.items())
        return JSONResponse({"code": "not_ready", "message": message, "parts": trouble}, 503, {"retry-after": "1"})
    return JSONResponse({"ok": True, "parts": dict.fromkeys(found, "ok")})
