"""Owns the inbox's own HTTP routes: what arrived, what is to go wrong, the page, health."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.inbox.mailbox import BadScript, Faults, Mailbox
from deploy.local.inbox.pace import Pace
from deploy.local.inbox.page import page
from deploy.local.inbox.slack import Slack

if TYPE_CHECKING:
    from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Inbox:
    """All that the stand-ins share."""

    mailbox: Mailbox = field(default_factory=Mailbox)
    faults: Faults = field(default_factory=Faults)
    pace: Pace = field(default_factory=Pace)

    async def show(self, request: Request) -> Response:
        """Answer with the page; `?account=` and `?channel=` narrow it."""
        query = request.query_params
        return page(self.mailbox.select(query.get("channel"), query.get("account")), self.mailbox.version)

    async def messages(self, request: Request) -> Response:
        """List the messages, newest last, or forget them, with the pace and its violations."""
        if request.method == "DELETE":
            self.mailbox.clear()
            self.pace.forget()
            return Response(status_code=204)
        query = request.query_params
        found = self.mailbox.select(query.get("channel"), query.get("account"))
        return JSONResponse({"items": [message.as_json() for message in found]})

    async def script(self, request: Request) -> Response:
        """Replace the scripted faults of the stand-ins that the body names; GET tells what is left."""
        if request.method == "PUT":
            try:
                faults = msgspec.json.decode(await request.body(), type=dict[str, Any])
                self.faults.script(faults)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadScript) as problem:
                raise HTTPException(400, str(problem)) from None
        return JSONResponse(self.faults.left())

    async def violations(self, _: Request) -> Response:
        """List the requests that did not wait until `Retry-After` had passed."""
        return JSONResponse({"items": [v.as_json() for v in self.pace.violations], "now": time.monotonic()})


def build(inbox: Inbox) -> Starlette:
    """Return the ASGI application."""
    routes = [
        Route("/", inbox.show),
        Route("/messages", inbox.messages, methods=["GET", "DELETE"]),
        Route("/faults", inbox.script, methods=["GET", "PUT"]),
        Route("/violations", inbox.violations),
        Route("/livez", _well),
        Route("/readyz", _well),
        *Slack(inbox.mailbox, inbox.faults, inbox.pace).routes(),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse})


async def _well(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refuse(_: Request, problem: Exception) -> Response:
    status, detail = (problem.status_code, problem.detail) if isinstance(problem, HTTPException) else (500, "")
    code = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}.get(status, "refused")
    return JSONResponse({"code": code, "message": detail}, status_code=status)
