"""Owns the secrets of a local stack: made once, kept in its folder, readable by their owner alone."""

from __future__ import annotations

import json
import os
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import httpx

from deploy.local.plan import SERVICES
from deploy.local.processes import StackError
from shared.access import mint, new_key_pair

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.local.plan import Plan

_TOKEN_LIFE: Final = timedelta(days=30)
_OPERATOR: Final = "local-operator"
_KEY: Final = {"name": "local stack", "source": "local", "scopes": ["write", "backdate"]}


def secret(folder: Path, name: str) -> str:
    """Return a random secret by its name, e.g. `health.password`; the first call makes it."""
    path = folder / "secrets" / name
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text().strip()  # it may have been put there by hand


def passwords(folder: Path) -> dict[str, str]:
    """Return the password of every service's database role."""
    return {service: secret(folder, f"{service}.password") for service in SERVICES}


def public_key_file(folder: Path) -> Path:
    """Return the PEM file that verifies tokens; makes the key pair when there is none."""
    path = folder / "secrets" / "public.pem"
    if not path.exists():
        private, public = new_key_pair()
        write_private(private_key_file(folder), private)
        write_private(path, public)
    return path


def private_key_file(folder: Path) -> Path:
    """Return the PEM file that signs tokens."""
    return folder / "secrets" / "private.pem"


def admin_token(folder: Path) -> str:
    """Return a fresh token of an administrator."""
    public_key_file(folder)
    return mint(private_key_file(folder).read_text(), _OPERATOR, "admin", _TOKEN_LIFE)


def write_key(plan: Plan, token: str) -> str:
    """Return a write key that ingest knows: the one made before if it still stands, else a new one.

    Raises StackError when ingest refuses to make one.
    """
    path = plan.folder / "secrets" / "write_key.json"
    with httpx.Client(base_url=plan.url("ingest"), headers={"authorization": f"Bearer {token}"}, timeout=10) as ingest:
        try:
            if path.exists() and _stands(ingest, made := json.loads(path.read_text())):
                return str(made["key"])
            answer = ingest.post("/v1/keys", json=_KEY).raise_for_status()
        except httpx.HTTPError as error:
            text = error.response.text if isinstance(error, httpx.HTTPStatusError) else ""
            raise StackError(f"ingest did not make a write key: {error} {text}") from error
    write_private(path, answer.text)
    return str(answer.json()["key"])


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def _stands(ingest: httpx.Client, made: dict[str, str]) -> bool:
    known = ingest.get("/v1/keys", params={"limit": 500}).raise_for_status().json()["items"]
    return any(key["id"] == made["id"] and not key.get("revoked_at") for key in known)
