"""Owns the routes that events come in by, as plain ASGI: a routing stack would cost more than the rest.

Everything else goes on to the FastAPI app. A slash at the end of a path makes no difference, without redirects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from services.ingest import body, cloudevents, segment
from services.ingest.keys import presented
from services.ingest.origin import BATCH, EVENTS, Answer, Origin, traceparent
from services.ingest.publish import TURNED_AWAY
from shared.errors import BadRequest, Forbidden, KizunaError, NotReady, TooLarge, Unauthorized
from shared.onewrite import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from starlette.types import ASGIApp, Receive, Scope, Send

    from services.ingest.keys import KeyRing, WriteKey
    from services.ingest.publish import Intake

log = structlog.get_logger()

MOST_EVENTS: Final = 2_500
BODIES_BYTES: Final = 256 * 1024 * 1024
"""So much may lie in bodies under way at a time, as they came and inflated; over it clients are asked to come again."""

ROUTES: Final = {f"/v1/{name}": name for name in (BATCH, EVENTS, *segment.CALLS)}
_JSON: Final = (b"content-type", b"application/json")

Headers = dict[bytes, bytes]


class HotRoutes:
    """The ASGI application of ingest: `ROUTES` here, the rest by `rest`."""

    def __init__(self, intake: Intake, keys: KeyRing, rest: ASGIApp, clock: Callable[[], datetime]) -> None:
        self._intake = intake
        self._keys = keys
        self._rest = rest
        self._clock = clock
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        path = scope["path"].rstrip("/") or "/"
        route = ROUTES.get(path)
        if route is None:
            await self._rest({**scope, "path": path}, receive, send)
        elif scope["method"] == "POST":
            await self._post(route, scope, receive, send)
        elif scope["method"] == "OPTIONS" and route == EVENTS:
            await _answer(send, 200, b"", _handshake(dict(scope["headers"])))
        else:
            await _error(send, 405, "method_not_allowed", "Use POST.", ((b"allow", b"POST"),))

    async def _post(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        held = 0

        def hold(size: int) -> None:
            # What is here counts, not what was announced: whoever sends nothing would take up the room of all others.
            nonlocal held
            held += size
            self._under_way += size
            if self._under_way > BODIES_BYTES:
                raise NotReady("Too much is under way. Send again later.", code="overloaded")

        try:
            answer = await self._take(route, scope, receive, hold)
        except body.Disconnected:
            log.info("client_went_away", route=route)
        except KizunaError as error:
            if isinstance(error, NotReady):
                TURNED_AWAY.inc(error.events)
            await _error(send, error.status, error.code, error.message, _hints(error))
        except Exception:  # whatever is wrong with our code, the sender learns that this was not acknowledged
            log.exception("request_failed", route=route)
            await _error(send, 500, "internal_error", "Something went wrong here; it is in the log.")
        else:
            await _answer(send, 200, msgspec.json.encode(answer), (_JSON,))
        finally:
            self._under_way -= held

    async def _take(self, route: str, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> Answer:
        headers: Headers = dict(scope["headers"])
        given = presented(headers)
        key = await self._writer(given) if given is not None or route == EVENTS else None
        seconds = None if scope.get(WHOLE) else body.READ_SECONDS
        raw = await body.read(receive, headers.get(b"content-length"), hold, seconds)
        if encoding := headers.get(b"content-encoding"):
            raw = body.inflate(raw, encoding.decode("latin-1"))
            hold(len(raw))
        if route == EVENTS and key is not None:
            return await self._take_events(headers, raw, key)
        return await self._take_calls(route, headers, raw, key)

    async def _take_calls(self, route: str, headers: Headers, raw: bytes, key: WriteKey | None) -> Answer:
        batch = segment.read_batch(raw) if route == BATCH else segment.read_single(raw)
        key = key or await self._writer(batch.write_key)
        _check_number(batch.raws)
        received = self._clock()
        origin = Origin(route, key.source, received, traceparent(headers.get(b"traceparent")), sent=batch.sent)
        return await self._intake.take(origin, batch.raws, received)

    async def _take_events(self, headers: Headers, raw: bytes, key: WriteKey) -> Answer:
        events = cloudevents.read(headers, raw, key.source)
        _check_number(events.raws)
        received = self._clock()
        trace = traceparent(headers.get(b"traceparent"))
        origin = Origin(EVENTS, key.source, received, trace, backdate="backdate" in key.scopes)
        answer = await self._intake.take(origin, events.raws, received)
        if events.single and answer.rejected:
            raise BadRequest(answer.rejected[0].message, code=answer.rejected[0].code)
        return answer

    async def _writer(self, given: str | None) -> WriteKey:
        key = await self._keys.check(given)
        if "write" not in key.scopes:
            raise Forbidden("This key may not write: it has not the scope write.")
        return key


def _check_number(raws: Sequence[bytes]) -> None:
    if len(raws) > MOST_EVENTS:
        raise TooLarge(f"{len(raws)} events came in one request: send at most {MOST_EVENTS}.", code="too_many_events")


def _handshake(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """Tell a CloudEvents sender that it may deliver here (HTTP 1.1 Web Hooks for Event Delivery, section 4)."""
    allow = (b"allow", b"POST, OPTIONS")
    origin = headers.get(b"webhook-request-origin")
    return (allow,) if origin is None else (allow, (b"webhook-allowed-origin", origin), (b"webhook-allowed-rate", b"*"))


def _hints(error: KizunaError) -> tuple[tuple[bytes, bytes], ...]:
    if isinstance(error, NotReady | body.SlowBody):
        return ((b"retry-after", str(error.retry_after).encode()),)
    return ((b"www-authenticate", b"Bearer"),) if isinstance(error, Unauthorized) else ()


async def _error(send: Send, status: int, code: str, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    await _answer(send, status, msgspec.json.encode({"code": code, "message": message}), (_JSON, *headers))


async def _answer(send: Send, status: int, content: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": content})
