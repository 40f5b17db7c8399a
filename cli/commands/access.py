"""`keys` and `token`: who may write events, who may ask."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.app import command, new_app
from cli.client import environment, segment, service
from cli.errors import Misused
from cli.output import notes, show, table
from shared.access import mint
from shared.roles import RANK

DURATION = re.compile(r"(\d+)([mhd])")
OWN_KEY = Path(".run", "secrets", "private.pem")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}

keys = new_app("Write keys: what products and billing systems identify themselves with.", no_args_is_help=True)


@command(keys, "create")
def create(
    source: Annotated[str, typer.Option("--source", help="What it is for; becomes the source of its events.")],
    scope: Annotated[list[str] | None, typer.Option("--scope", help="A right beside write, such as backdate.")] = None,
) -> None:
    """Make a write key. It is shown once and kept as a hash only.

    Example: kizuna keys create --source web-app
    """
    made = service("ingest").post("/v1/keys", {"name": source, "source": source, "scopes": ["write", *(scope or ())]})
    show(made, lambda out: out.print(made["key"], soft_wrap=True))
    notes().print(f"Key {made['id']} of {source}. Note it down: it cannot be shown again.", soft_wrap=True)


@command(keys, "list")
def list_keys() -> None:
    """List write keys: sources, scopes, since when, whether revoked. Not the keys themselves."""
    found = list(service("ingest").items("/v1/keys"))
    columns = ("id", "source", "scopes", "created_at", "revoked_at")
    show(
        {"items": found}, lambda out: out.print(table(columns, ([key.get(name) for name in columns] for key in found)))
    )


@command(keys, "revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.", metavar="ID")]) -> None:
    """Revoke a write key; events that come with it are refused from then on."""
    answer: Any = service("ingest").delete(f"/v1/keys/{segment(key_id)}") or {"id": key_id, "revoked": True}
    show(answer, lambda out: out.print(f"Revoked {key_id}."))


def token(
    role: Annotated[str, typer.Option("--role", help="viewer, csm, manager or admin.")],
    person: Annotated[str, typer.Option("--for", help="Who it is for, by the id or e-mail the vendor knows.")],
    expires: Annotated[str, typer.Option("--expires", help="How long it is valid: 30m, 12h, 30d.")] = "30d",
) -> None:
    """Mint a bearer token for the APIs, with the private key of this machine.

    KIZUNA_PRIVATE_KEY_FILE names its file, else it is the local stack's. No service has it: they only verify.

    Example: kizuna token --role csm --for maya@vendor.example --expires 12h
    """
    if role not in RANK:
        raise Misused(f"--role takes {', '.join(RANK)}; not {role}")
    made = mint(private_key(), person, role, duration(expires))
    show({"token": made, "person": person, "role": role}, lambda out: out.print(made, soft_wrap=True))


def private_key() -> str:
    """Return the PEM text of the private key; `Misused` when it is not on this machine."""
    present = environment()
    path = present.root / present.values.get("KIZUNA_PRIVATE_KEY_FILE", OWN_KEY)
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Misused(f"{error}: name the private key's file in KIZUNA_PRIVATE_KEY_FILE, or run `make up`") from error


def duration(text: str) -> timedelta:
    """Return a length of time written as `30m`, `12h` or `30d`."""
    match = DURATION.fullmatch(text)
    if not match or int(match[1]) == 0:
        raise Misused(f"--expires {text} is no length of time: write 30m, 12h or 30d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
