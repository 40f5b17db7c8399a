"""Who is calling: bearer tokens (JWT, EdDSA only), minted with a private key, verified with the public key alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.errors import Forbidden, Unauthorized
from shared.roles import RANK

ALGORITHM = "EdDSA"
ISSUER = "kizuna"
_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, and in which role. `id` is the person's own id in the vendor's world, often an e-mail address."""

    id: str
    role: str

    def require(self, role: str) -> None:
        """Raise Forbidden unless this person's role reaches `role`."""
        if RANK[self.role] < RANK[role]:
            raise Forbidden(f"This needs the role {role}; the token says {self.role}.")


class Access:
    """Verifies tokens. `public_keys` is the PEM text of one Ed25519 public key, or of several in a rotation."""

    def __init__(self, public_keys: str) -> None:
        self._public_keys = _PEM.findall(public_keys) or [public_keys]

    def verify(self, token: str) -> Person:
        """Return the person a token speaks for.

        Raises:
            Unauthorized: forged, expired, another algorithm, no expiry, or an unknown role.

        """
        try:
            claims = self._claims(token)
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The token has expired. Mint another: kizuna token --role … --for …") from None
        except (jwt.InvalidTokenError, ValueError):
            raise Unauthorized("The bearer token is not valid here. Mint one: kizuna token --role … --for …") from None
        role = claims.get("role")
        if not isinstance(role, str) or role not in RANK:
            raise Unauthorized("The token names no known role. Mint another: kizuna token --role … --for …")
        return Person(id=str(claims["sub"]), role=role)

    def _claims(self, token: str) -> dict[str, Any]:
        """Return what a token says, whichever of the keys signed it."""
        *others, last = self._public_keys
        for key in others:
            try:
                return _decoded(token, key)
            except jwt.InvalidSignatureError:
                continue
        return _decoded(token, last)


def _decoded(token: str, public_key: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        public_key,
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        options={"require": ["exp", "iat", "sub"]},
    )
    return claims


def mint(private_key: str, person: str, role: str, expires: timedelta, *, at: datetime | None = None) -> str:
    """Return a signed token for `person` in `role`, valid from `at` (default: the present) for `expires`.

    `private_key` is the PEM text of an Ed25519 private key. Raises ValueError for an unknown role.
    """
    if role not in RANK:
        raise ValueError(f"Unknown role {role!r}: one of {', '.join(RANK)}")
    issued = at or datetime.now(UTC)
    claims = {"iss": ISSUER, "sub": person, "role": role, "iat": issued, "exp": issued + expires}
    return jwt.encode(claims, private_key, algorithm=ALGORITHM)


def new_key_pair() -> tuple[str, str]:
    """Return a fresh Ed25519 key pair as PEM texts: (private, public)."""
    private = Ed25519PrivateKey.generate()
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private_pem.decode(), public_pem.decode()
