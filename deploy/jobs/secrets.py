"""`python -m deploy.jobs.secrets FOLDER`: makes a deployment's secrets, a folder per reader, each file made only once.

Nobody gets a folder but its reader: a service sees its own database URL, and of the tokens' key pair the public half.
In a cluster each folder becomes a Secret of the reader's name.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from shared.access import mint, new_key_pair
from shared.database_roles import SERVICES, service_url

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN_LIFE: Final = timedelta(days=30)
READERS: Final = ("postgres", "migrations", *SERVICES, "operator")


def make(folder: Path, database: str) -> None:
    """Make what is missing. `database` is `host:port/name`, as the services reach it.

    The operator's token is made anew every time, so that it never has less than its whole life before it.
    """
    password = quote(_once(folder / "postgres" / "password").strip(), safe="")  # it may have been put there by hand
    admin = f"postgresql://postgres:{password}@{database}"
    _keep(folder / "migrations" / "database_url", admin)
    private, public = _key_pair(folder / "operator" / "private.pem", folder / "operator" / "public.pem")
    for service in SERVICES:
        password = _once(folder / "migrations" / f"{service}_password")
        _keep(folder / service / "database_url", service_url(admin, service, password))
        _write(folder / service / "public.pem", public)  # follows the operator's, where keys are rotated
    _once(folder / "alerts" / "link_secret")
    _write(folder / "operator" / ".run" / "env", _environment(folder / "operator", private))


def _environment(operator: Path, private: str) -> str:
    """Return what the command line reads: where the services are and with which token to ask them."""
    values = {f"KIZUNA_{name.upper()}_URL": f"http://{name}:8080" for name in (*SERVICES, "archive")}
    values["KIZUNA_TOKEN"] = mint(private, "operator", "admin", _TOKEN_LIFE)
    values["KIZUNA_PRIVATE_KEY_FILE"] = str(operator / "private.pem")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _key_pair(private: Path, public: Path) -> tuple[str, str]:
    if not public.exists():
        for path, text in zip((private, public), new_key_pair(), strict=True):
            _write(path, text)
    return private.read_text(), public.read_text()


def _once(path: Path) -> str:
    _keep(path, secrets.token_urlsafe(24))
    return path.read_text()


def _keep(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(text)
    new.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the secrets in the folder that the first argument names."""
    parser = argparse.ArgumentParser(prog="python -m deploy.jobs.secrets", description="A deployment's secrets.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", default="postgres:5432/kizuna", metavar="HOST:PORT/NAME")
    chosen = parser.parse_args(arguments)
    make(chosen.folder.absolute(), chosen.database)
    print(f"secrets of {', '.join(READERS)} are in {chosen.folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
