"""Signed links: what a person may do to one alert by following a link, and proof that we wrote it. Pure.

A token says everything itself (alert, action, person, language, expiry, nonce) and carries an HMAC-SHA256 over that.
The nonce follows from the delivery, so a message that is repeated carries the same links and each still acts once.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, Literal

import msgspec

from shared.errors import KizunaError

VALID_FOR: Final = timedelta(days=30)
Action = Literal["acknowledge", "true", "false_alarm", "duplicate", "known"]


class BadLink(KizunaError):
    """The link was not written by us, or was cut or changed on its way."""

    status = 400
    code = "bad_link"


class ExpiredLink(KizunaError):
    """The link was ours and is too old."""

    status = 410
    code = "expired_link"


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What a link says: `person` may do `action` to `alert_id` until `expires` (Unix seconds), once per `nonce`."""

    alert_id: str
    action: Action
    person: str
    language: str
    expires: int
    nonce: str


class Links:
    """Writes and reads signed links. `public_url` is where browsers reach this service.

    `secrets` stand on a line each: the first signs, and links that any of them signed are ours.
    """

    def __init__(self, secrets: str, public_url: str) -> None:
        self._secret, *self._former = (secret.encode() for secret in secrets.splitlines())
        self._public_url = public_url.rstrip("/")

    def claim(self, alert_id: str, action: Action, person: tuple[str, str], delivery: tuple[str, datetime]) -> Claim:
        """Return what the link of one delivery says. `person` is (id, language), `delivery` is (id, when planned)."""
        delivery_id, planned_at = delivery
        nonce = self._mac(f"nonce|{delivery_id}|{alert_id}|{action}".encode())[:12]
        expires = int((planned_at + VALID_FOR).timestamp())
        return Claim(alert_id, action, person[0], person[1], expires, _text(nonce))

    def url(self, claim: Claim) -> str:
        """Return the whole link."""
        return f"{self._public_url}/a/{self.token(claim)}"

    def token(self, claim: Claim) -> str:
        """Sign a claim: base64url of its JSON, a dot, base64url of the HMAC."""
        payload = msgspec.json.encode(claim)
        return f"{_text(payload)}.{_text(self._mac(payload))}"

    def read(self, token: str, now: datetime) -> Claim:
        """Return what a token says.

        Raises:
            BadLink: it is not ours, or not whole.
            ExpiredLink: it was ours once.

        """
        payload_text, _, mac_text = token.partition(".")
        payload, mac = _bytes(payload_text), _bytes(mac_text)
        if not any(hmac.compare_digest(mac, _mac(secret, payload)) for secret in (self._secret, *self._former)):
            raise BadLink("This link is not valid. Please open it from the message again.")
        claim = msgspec.json.decode(payload, type=Claim)
        if datetime.fromtimestamp(claim.expires, UTC) <= now:
            raise ExpiredLink("This link has expired. Please acknowledge the alert in Kizuna.")
        return claim

    def _mac(self, data: bytes) -> bytes:
        return _mac(self._secret, data)


def _mac(secret: bytes, data: bytes) -> bytes:
    return hmac.new(secret, data, sha256).digest()


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (NotBase64, ValueError):
        raise BadLink("This link is not whole. Please open it from the message again.") from None
