"""`health`, `portfolio`, `nrr`: what the services know about the customers."""

from typing import Annotated, Any

import typer
from rich.console import Console

from cli.client import segment, service
from cli.errors import Misused, Refused
from cli.output import end, show, table
from cli.pictures import health_picture, portfolio_table, retention_table

AT = "A date (the end of that day) or an RFC 3339 time; default now."


def health(
    account: Annotated[str, typer.Argument(help="The account's id.", metavar="ACCOUNT")],
    as_of: Annotated[str | None, typer.Option("--as-of", help=f"How it stood then. {AT}")] = None,
    known_at: Annotated[str | None, typer.Option("--known-at", help=f"With what was known then. {AT}")] = None,
) -> None:
    """Explain an account's health: the score, what drives it, what holds it down.

    Example: kizuna health acme --as-of 2026-03-31
    """
    answer = service("health").get(f"/v1/accounts/{segment(account)}/health", as_of=as_of, known_at=known_at)
    show(answer, lambda out: health_picture(out, answer))


def portfolio(
    owner: Annotated[str | None, typer.Option("--owner", help="The CSM's id.")] = None,
    band: Annotated[str | None, typer.Option("--band", help="healthy, watch, at_risk, critical or unknown.")] = None,
    tier: Annotated[str | None, typer.Option("--tier", help="high, low or tech.")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help="What the service sorts by, such as score.")] = None,
) -> None:
    """List accounts with score, trend, open signals and the lever that would help most.

    Example: kizuna portfolio --owner maya --band at_risk
    """
    found = list(service("health").items("/v1/portfolio", owner=owner, band=band, tier=tier, sort=sort))
    show({"items": found}, lambda out: out.print(portfolio_table(found)))
    if not found:
        end("No account fits. Accounts appear with their first event.", Refused.exit_code)


def nrr(
    start: Annotated[str, typer.Argument(help="First day of the window, YYYY-MM-DD.", metavar="FROM")],
    end: Annotated[str, typer.Argument(help="Last day of the window, YYYY-MM-DD.", metavar="TO")],
    profile: Annotated[str | None, typer.Option("--profile", help="The set of definitions to use.")] = None,
) -> None:
    """Show net and gross revenue retention of a window, and the movements behind them.

    Example: kizuna nrr 2025-06-01 2026-06-01
    """
    if start >= end:
        raise Misused(f"The window must begin before it ends: {start} to {end}")
    answer = service("revenue").get("/v1/retention", **{"from": start, "to": end, "profile": profile})

    def people(out: Console) -> None:
        out.print(retention_table([answer]))
        out.print(table(("movement", "amount>", "accounts>"), movements(answer)))

    show(answer, people)


def movements(answer: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Return the kinds of movement of a window with their amounts and accounts."""
    kinds = ("new", "renewed", "expanded", "reactivated", "contracted", "churned")
    return [(kind, answer[kind]["amount"], answer[kind]["accounts"]) for kind in kinds]
