"""`alerts`: what the owners were told, and their word on it."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.app import command, new_app
from cli.client import segment, service
from cli.output import show, table_or
from cli.pictures import alerts_table

Account = Annotated[str | None, typer.Option("--account", help="Only of this account.")]
State = Annotated[str | None, typer.Option("--state", help="open, acknowledged or resolved.")]
Signal = Annotated[str | None, typer.Option("--signal", help="Only of this signal, such as champion_left.")]
Owner = Annotated[str | None, typer.Option("--owner", help="Only of this person's accounts.")]
AlertId = Annotated[str, typer.Argument(help="The alert's id.", metavar="ID")]


class Verdict(StrEnum):
    """What an alert turned out to be."""

    TRUE = "true"
    FALSE_ALARM = "false_alarm"
    DUPLICATE = "duplicate"
    KNOWN = "known"


alerts = new_app("Alerts: list them, acknowledge them, say what they turned out to be.", invoke_without_command=True)


@alerts.callback()
def without_command(
    context: typer.Context, account: Account = None, state: State = None, signal: Signal = None, owner: Owner = None
) -> None:
    """List alerts, acknowledge them, say what they turned out to be.

    Example: kizuna alerts --state open
    """
    if context.invoked_subcommand is None:
        list_alerts(account, state, signal, owner)


@command(alerts, "list")
def list_alerts(account: Account = None, state: State = None, signal: Signal = None, owner: Owner = None) -> None:
    """List alerts with where they were delivered, the same as `kizuna alerts`."""
    found = list(service("alerts").items("/v1/alerts", account=account, state=state, signal=signal, owner=owner))
    show({"items": found}, lambda out: out.print(table_or("No alert fits.", alerts_table(found))))


@command(alerts, "ack")
def acknowledge(alert: AlertId) -> None:
    """Acknowledge an alert: you have seen it and are on it."""
    done(service("alerts").post(f"/v1/alerts/{segment(alert)}/acknowledge", {}), alert, "acknowledged")


@command(alerts, "resolve")
def resolve(
    alert: AlertId,
    verdict: Annotated[Verdict, typer.Option("--verdict", help="What it turned out to be.")] = Verdict.TRUE,
) -> None:
    """Resolve an alert with a verdict.

    Example: kizuna alerts resolve 7d0c… --verdict false_alarm
    """
    done(service("alerts").post(f"/v1/alerts/{segment(alert)}/resolve", {"verdict": verdict}), alert, "resolved")


def done(answer: Any, alert: str, word: str) -> None:
    """Print the alert as it stands now."""
    show(answer, lambda out: out.print(f"Alert {alert} is {word}."))
