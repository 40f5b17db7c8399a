"""`parked` and `fingerprint`: what waits, and whether two states are the same."""

from typing import Annotated, Any

import typer

from cli.client import PATIENT, service
from cli.commands.deadletters import SERVICES, asked
from cli.output import show, table, table_or


def parked() -> None:
    """List events that wait at ingest for their person's account to become known."""
    found = list(service("ingest").items("/v1/parked"))
    columns = ("id", "source", "type", "person_id", "time", "parked_at", "reason")
    show(
        {"items": found},
        lambda out: out.print(
            table_or(
                "No event waits for its account.",
                table(columns, ([item.get(name) for name in columns] for item in found)),
            )
        ),
    )


def fingerprint(
    of: Annotated[str | None, typer.Argument(help="ingest, health, revenue or alerts; default all.",
                                             metavar="SERVICE")] = None,
) -> None:  # fmt: skip
    """Print a hash of each service's state, without clocks and surrogate numbers: equal facts, equal hash.

    Example: kizuna fingerprint > before; …; kizuna fingerprint | diff before -
    """
    prints = {
        name: service(name).call("GET", "/v1/fingerprint", timeout=PATIENT)["fingerprint"]
        for name in asked(of, SERVICES)
    }

    def people(out: Any) -> None:
        for name, value in prints.items():
            out.print(f"{name}  {value}", soft_wrap=True)

    show(prints, people)
