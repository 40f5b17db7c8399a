"""Owns write keys: their form, what is kept of them, and checking one without asking the database.

A key is `kz_<8 hex digits, public>_<48 hex digits, secret>`. Only its SHA-256 is kept: with 192 random bits a slow
hash would add nothing. Every process holds all live keys and renews them; while PostgreSQL is down the last ones count.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from shared.errors import BadRequest, NotReady, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

log = structlog.get_logger()

SCOPES: Final = ("write", "backdate")
REFRESH_SECONDS: Final = 2.0
MISS_SECONDS: Final = 0.5
"""A key made by another replica is looked for at once, but unknown keys may not cost more than this rhythm."""

_FORM: Final = re.compile(r"kz_([0-9a-f]{8})_[0-9a-f]{48}")
_SOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")
_NOBODY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class WriteKey:
    """What is kept of a key: its public id, the SHA-256 of the whole, the source of its events, what it may do."""

    id: str
    digest: bytes
    source: str
    scopes: frozenset[str]


def new_key() -> tuple[str, str]:
    """Return a fresh key and its public id."""
    public = secrets.token_hex(4)
    return f"kz_{public}_{secrets.token_hex(24)}", public


def digest_of(key: str) -> bytes:
    """Return what is kept of a key: 32 bytes."""
    return hashlib.sha256(key.encode()).digest()


def checked_source(source: str) -> str:
    """Return `source` if it can name where events come from for ever. Raises BadRequest."""
    if not _SOURCE.fullmatch(source):
        raise BadRequest("source: 1 to 100 of A-Z a-z 0-9 . _ : / @ -, beginning with a letter or digit.")
    return source


def checked_scopes(scopes: Iterable[str]) -> list[str]:
    """Return the scopes in their order, each once. Raises BadRequest for an unknown one or none."""
    given = set(scopes)
    if not given or given - set(SCOPES):
        raise BadRequest(f"scopes: at least one of {', '.join(SCOPES)}.")
    return [scope for scope in SCOPES if scope in given]


def presented(headers: dict[bytes, bytes]) -> str | None:
    """Return the key that the headers carry: Basic (as the user's name), Bearer or X-Write-Key; None without any."""
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"basic":
        return _basic(rest)
    if scheme.lower() == b"bearer":
        return rest.strip().decode("latin-1")
    own = headers.get(b"x-write-key")
    return own.strip().decode("latin-1") if own is not None else None


def _basic(rest: bytes) -> str:
    try:
        return b64decode(rest.strip(), validate=True).decode("latin-1").partition(":")[0]
    except (Base64Error, ValueError):
        return ""


class KeyRing:
    """The live keys in memory. `load` returns all of them from the database, or raises NotReady."""

    def __init__(self, load: Callable[[], Awaitable[Iterable[WriteKey]]]) -> None:
        self._load = load
        self._keys: dict[str, WriteKey] | None = None
        self._looked = 0.0
        self._renewing = asyncio.Lock()
        self.beat = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Renew the keys every `REFRESH_SECONDS` until `stop`; a failure keeps the present ones."""
        while not stop.is_set():
            self.beat = time.monotonic()
            try:
                await self.renew()
            except NotReady as error:
                log.warning("keys_not_renewed", error=error.message)
            try:
                await asyncio.wait_for(stop.wait(), REFRESH_SECONDS)
            except TimeoutError:
                continue

    async def renew(self) -> None:
        """Read all live keys anew. Raises NotReady when the database does not answer."""
        async with self._renewing:
            self._keys = {key.id: key for key in await self._load()}
            self._looked = time.monotonic()

    async def check(self, key: str | None) -> WriteKey:
        """Return what the key may do.

        Raises:
            Unauthorized: no key, an unknown, a wrong or a revoked one: the same answer for all.
            NotReady: the keys were never read since the start, so nobody can be told right from wrong.

        """
        match = _FORM.fullmatch(key or "")
        if match and match[1] not in (self._keys or {}):
            await self._look_again()
        if self._keys is None:
            raise NotReady("The write keys could not be read yet. Send again.", code="keys_unknown")
        found = self._keys.get(match[1]) if match else None
        if not hmac.compare_digest(digest_of(key or ""), found.digest if found else _NOBODY) or found is None:
            raise Unauthorized("This needs a valid write key. Make one: kizuna keys create --source NAME")
        return found

    async def _look_again(self) -> None:
        if time.monotonic() - self._looked < MISS_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            await self.renew()
        except NotReady as error:
            log.warning("keys_not_renewed", error=error.message)
