"""Tokens: only EdDSA, only with an expiry, only from our key."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from shared.access import ISSUER, Access, Person, mint, new_key_pair
from shared.errors import Forbidden, Unauthorized
from shared.roles import RANK

PRIVATE, PUBLIC = new_key_pair()
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("role", RANK)
def test_a_minted_token_speaks_for_its_person(role: str) -> None:
    assert Access(PUBLIC).verify(mint(PRIVATE, "mika@vendor.example", role, HOUR)) == Person(
        "mika@vendor.example", role
    )


def test_while_keys_are_rotated_both_count() -> None:
    new_private, new_public = new_key_pair()
    for keys in (PUBLIC + new_public, f"{new_public}\n# the old one\n{PUBLIC}"):
        for private in (PRIVATE, new_private):
            assert Access(keys).verify(mint(private, "p", "viewer", HOUR)).role == "viewer"
        for token in BAD.values():
            with pytest.raises(Unauthorized):
                Access(keys).verify(token)
    with pytest.raises(Unauthorized):
        Access(new_public).verify(mint(PRIVATE, "p", "viewer", HOUR))


def test_an_unknown_role_cannot_be_minted() -> None:
    with pytest.raises(ValueError, match="owner"):
        mint(PRIVATE, "p", "owner", HOUR)


def _unsigned(claims: dict[str, object]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


def _claims(**changes: object) -> dict[str, object]:
    now = int(datetime.now(UTC).timestamp())
    return {"iss": ISSUER, "sub": "p", "role": "admin", "iat": now, "exp": now + 60, **changes}


def _signed(claims: dict[str, object]) -> str:
    return jwt.encode(claims, PRIVATE, algorithm="EdDSA")


BAD = {
    "alg none": _unsigned(_claims()),
    "public key as HMAC secret": jwt.api_jws.PyJWS().encode(
        json.dumps(_claims()).encode(), base64.b64encode(PUBLIC.encode()), algorithm="HS256"
    ),
    "another key": mint(new_key_pair()[0], "p", "admin", HOUR),
    "expired": mint(PRIVATE, "p", "admin", HOUR, at=datetime.now(UTC) - 2 * HOUR),
    "no expiry": _signed({k: v for k, v in _claims().items() if k != "exp"}),
    "no subject": _signed({k: v for k, v in _claims().items() if k != "sub"}),
    "another issuer": _signed(_claims(iss="somebody")),
    "unknown role": _signed(_claims(role="root")),
    "role of a wrong type": _signed(_claims(role=["admin"])),
    "garbage": "not.a.token",
    "empty": "",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tokens_are_unauthorized(name: str) -> None:
    with pytest.raises(Unauthorized):
        Access(PUBLIC).verify(BAD[name])


@given(st.text())
def test_any_text_is_either_a_token_or_unauthorized(text: str) -> None:
    with pytest.raises(Unauthorized):
        Access(PUBLIC).verify(text)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_token_is_refused(position: int, flip: int) -> None:
    token = bytearray(mint(PRIVATE, "p", "viewer", HOUR).encode())
    last_of_signature = len(token) - 1  # its lowest bits are padding, which decoders ignore
    at = position % last_of_signature
    token[at] = (token[at] + flip) % 128 if (token[at] + flip) % 128 != token[at] else ord("!")
    with pytest.raises(Unauthorized):
        Access(PUBLIC).verify(token.decode("ascii", "replace"))


def test_roles_are_ranked() -> None:
    for held in RANK:
        for needed in RANK:
            if RANK[held] >= RANK[needed]:
                Person("p", held).require(needed)
            else:
                with pytest.raises(Forbidden):
                    Person("p", held).require(needed)


def test_the_private_key_is_not_needed_to_verify() -> None:
    key = serialization.load_pem_public_key(PUBLIC.encode())
    assert "PRIVATE" not in PUBLIC
    assert key is not None
