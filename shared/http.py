"""What every HTTP API here has in common: errors as {"code", "message"}, access by one table, probes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from shared.errors import BadRequest, KizunaError, NotReady, Unauthorized
from shared.probes import add_probes
from shared.roles import COMMON, RANK, ROLES
from shared.trouble import is_bad_text, is_world_trouble

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from shared.access import Access, Person
    from shared.probes import Alive, Gauge, Ready

log = structlog.get_logger()

MOST_BYTES = 64 * 1024
"""A request's body may have so many. It is read before the token is looked at, so anybody can send one."""

CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


class Bounded:
    """Lets an app read `MOST_BYTES` of a body. FastAPI's own limit answers in plain text if a length is announced."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BYTES:
                raise HTTPException(413, f"A request may have at most {MOST_BYTES} bytes here: ask for less at once.")
            return message

        await self._app(scope, bounded, send)


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
    app.add_middleware(Bounded)
    app.state.roles = roles
    _map_errors(app)
    add_probes(app, kit.ready, kit.alive, kit.gauge)
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
