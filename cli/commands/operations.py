"""`parked`, `dlq`, `fingerprint`: what waits, what was refused, and whether two states are the same."""

from typing import Annotated, Any

import typer

from cli.app import command, new_app
from cli.client import PATIENT, service
from cli.environment import PORTS
from cli.errors import Misused
from cli.output import show, table, table_or

SERVICES = ("ingest", "health", "revenue", "alerts")
Reason = Annotated[str | None, typer.Option("--reason", help="Only those refused for this reason, such as too_old.")]
Of = Annotated[str | None, typer.Option("--service", help="Only of this service; default all.")]

dlq = new_app("Dead letters: events that a service refused, kept untouched.", invoke_without_command=True)


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


@dlq.callback()
def without_command(context: typer.Context, of: Of = None, reason: Reason = None) -> None:
    """Show what the services refused and why, or have it tried again.

    Example: kizuna dlq list --service health --reason too_old
    """
    if context.invoked_subcommand is None:
        list_letters(of, reason)


@command(dlq, "list")
def list_letters(of: Of = None, reason: Reason = None) -> None:
    """List dead letters with their reasons, the same as `kizuna dlq`."""
    found = [
        {"service": name, **letter}
        for name in asked(of, SERVICES)
        for letter in service(name).items("/v1/dead-letters", reason=reason)
    ]
    columns = ("service", "id", "reason", "message", "account_id", "event_id", "refused_at", "replayed_at")
    show(
        {"items": found},
        lambda out: out.print(
            table_or("No refused event fits.", table(columns, ([item.get(name) for name in columns] for item in found)))
        ),
    )


@command(dlq, "replay")
def replay(of: Of = None, reason: Reason = None) -> None:
    """Try dead letters again, after a repair; they count as known from now on.

    Example: kizuna dlq replay --service health --reason unknown_type
    """
    wanted = {"reason": reason} if reason else {}
    answers = {name: service(name).post("/v1/dead-letters/replay", wanted) for name in asked(of, SERVICES)}
    show(answers, lambda out: out.print(table(("service", "answer"), ((n, facts(a)) for n, a in answers.items()))))


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


def asked(name: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the services that a command is about; `Misused` for one that there is not."""
    if name is not None and name not in PORTS:
        raise Misused(f"There is no service {name}: {', '.join(SERVICES)}")
    return (name,) if name else default


def facts(answer: Any) -> str:
    """Write a small answer in one line."""
    return ", ".join(f"{key} {value}" for key, value in answer.items()) if isinstance(answer, dict) else str(answer)
