"""`dlq`: what the services refused and why, one record with every byte, and trying it again."""

from typing import Annotated, Any

import typer

from cli.app import command, new_app
from cli.client import service
from cli.errors import Misused
from cli.output import notes, show, table, table_or

SERVICES = ("ingest", "health", "revenue", "alerts")
Reason = Annotated[str | None, typer.Option("--reason", help="Only those refused for this reason, such as too_old.")]
Of = Annotated[str | None, typer.Option("--service", help="Only of this service; default all.")]

dlq = new_app("Dead letters: events that a service refused, kept untouched.", invoke_without_command=True)


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


@command(dlq, "show")
def show_letter(
    letter_id: Annotated[int, typer.Argument(help="The id that `dlq list` shows.", metavar="ID")],
    of: Annotated[str, typer.Option("--service", help="The service that refused it.")],
) -> None:
    """Show one dead letter: why it was refused, where it lay, and every byte of it, in hex where it is no text.

    Example: kizuna dlq show 17 --service health
    """
    [name] = asked(of, SERVICES)
    letter = service(name).get(f"/v1/dead-letters/{letter_id}")
    place = (
        f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}" if letter["topic"] else None
    )
    told = ("reason", "message", "account_id", "event_id", "source", "refused_at", "replayed_at")

    def people(out: Any) -> None:
        out.print(table(("", ""), [("place", place), *((each, letter[each]) for each in told)]))
        for part in ("key", "value"):
            out.print(f"{part}: {size(letter[part])}", markup=False)
            out.print(content(letter[part]), markup=False, soft_wrap=True)

    show(letter, people)


@command(dlq, "replay")
def replay(
    of: Of = None,
    reason: Reason = None,
    ids: Annotated[list[int] | None, typer.Option("--id", help="Only this one; may be given again.")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this nothing is sent.")] = False,
) -> None:
    """Say what would become of dead letters if they were tried again, after a repair; with --yes, try them.

    They count as known from the replay on. One that is still bad is refused again and waits on; a repetition changes
    nothing.

    Example: kizuna dlq replay --service health --reason unknown_type --yes
    """
    if ids and of is None:
        raise Misused("--id needs --service: every service numbers its own dead letters")
    wish = {"reason": reason, "ids": ids, "dry_run": not yes}
    answers = {name: service(name).post("/v1/dead-letters/replay", wish) for name in asked(of, SERVICES)}
    count = "replayed" if yes else "would_replay"
    columns = ("service", "replayed>" if yes else "would be replayed>", "still refused")
    rows = [(name, answer[count], facts(answer["still_refused"])) for name, answer in answers.items()]
    show(answers, lambda out: out.print(table(columns, rows)))
    if not yes:
        notes().print("Nothing was sent. Add --yes to do it.")


def size(part: dict[str, Any] | None) -> str:
    """Say how much there is of a part of a record."""
    return "none" if part is None else f"{part['bytes']:,} bytes{', in hex' if 'hex' in part else ''}"


def content(part: dict[str, Any] | None) -> str:
    """Return a part of a record as it is printed."""
    return "" if part is None else str(part.get("text", part.get("hex")))


def asked(name: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the services that a command is about; `Misused` for one that there is not."""
    if name is not None and name not in SERVICES:
        raise Misused(f"There is no service {name}: {', '.join(SERVICES)}")
    return (name,) if name else default


def facts(counted: dict[str, int]) -> str:
    """Write counts by reason in one line."""
    return ", ".join(f"{count} {reason}" for reason, count in counted.items())
