"""`import`: files of history become events, marked as such, so that nobody is paged for what is long over."""

import hashlib
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from cli.app import command, new_app
from cli.client import environment, service
from cli.errors import Misused
from cli.importer import absorbed, crm6, general
from cli.importer.checkpoint import Checkpoint, place
from cli.importer.feed import Feed
from cli.importer.meter import Meter
from cli.importer.run import Journal, run_import
from cli.importer.sender import Door, Tally
from cli.output import notes, show, table
from shared.clock import now

imports = new_app(
    "Import history: marked as backfill, resumable, and a repetition changes nothing.", no_args_is_help=True
)
Folder = Annotated[Path, typer.Argument(help="The folder with accounts, subscriptions, events.", metavar="DIR")]
File = Annotated[Path, typer.Argument(help="The file; may end in .gz or .xz.", metavar="FILE")]
Type = Annotated[str, typer.Option("--type", help="What the rows are, such as kizuna.usage.recorded.")]
Account = Annotated[str, typer.Option("--account", help="The column that holds the account id.")]
Time = Annotated[str | None, typer.Option("--time", help="The column that says when; one without offset is UTC.")]
Fields = Annotated[list[str] | None, typer.Option("--field", help="FIELD=COLUMN of the data, FIELD:=COLUMN for JSON.")]
Source = Annotated[str, typer.Option("--source", help="The events' source.")]
Prefix = Annotated[str, typer.Option("--prefix", help="Put before every account id.")]
Again = Annotated[bool, typer.Option("--again", help="Begin at the first row even if an interrupted run got further.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until the services have absorbed it.")]


@command(imports, "crm6")
def import_crm6(  # noqa: PLR0913 - each is an option of the command line
    folder: Folder,
    *,
    only: Annotated[str, typer.Option("--only", help="Of accounts,subscriptions,events, with commas.")] = "",
    until_today: Annotated[
        bool, typer.Option("--until-today", help="Move all by whole weeks to end this week.")
    ] = False,
    prefix: Prefix = "",
    again: Again = False,
    no_wait: NoWait = False,
) -> None:
    """Import a fightchurn simulation: accounts, subscriptions and usage events from CSV files.

    An interrupted import goes on where it stopped when it is run again with the same options.

    Example: kizuna import crm6 tests/data/crm6_slice --until-today --prefix trial-
    """
    if not folder.is_dir():
        raise Misused(f"{folder} is no folder")
    names = [name for name in only.split(",") if name]
    place_of = at(folder, "crm6", only, until_today, prefix)
    journal = begin(place_of, again=again)
    if until_today and not place_of.exists():
        journal.checkpoint.weeks = crm6.weeks_until(now(), folder)
    options = crm6.Options(prefix, journal.checkpoint.weeks, vendor_zone())
    send_all(crm6.feeds(folder, options, names), journal, no_wait=no_wait)


@command(imports, "csv")
def import_csv(  # noqa: PLR0913 - each is an option of the command line
    file: File,
    *,
    event_type: Type,
    account: Account,
    time: Time = None,
    field: Fields = None,
    source: Source = "import",
    prefix: Prefix = "",
    again: Again = False,
    no_wait: NoWait = False,
) -> None:
    """Import a file of rows, CSV or JSON lines by its name, as events of one type: say which column is what.

    Example: kizuna import csv closed.csv --type kizuna.ticket.closed --account org --time at --field ticket_id=number
    """
    columns = general.Columns(account, time, general.parse_fields(field or ()))
    target = general.Target(event_type, source, prefix)
    journal = begin(at(file, columns, target), again=again)
    send_all([general.feed(file, columns, target)], journal, no_wait=no_wait)


command(imports, "jsonl")(import_csv)


def at(path: Path, *circumstances: object) -> Path:
    """Return the checkpoint's file: an import is the same one if files, options, ingest and write key are."""
    present = environment()
    key = hashlib.sha256(present.get("KIZUNA_WRITE_KEY").encode()).hexdigest()
    return place(present.root, path.resolve(), *circumstances, present.url("ingest"), key)


def begin(path: Path, *, again: bool) -> Journal:
    """Return the journal of an import, where an interrupted run left it unless it is to begin again."""
    if again:
        path.unlink(missing_ok=True)
    known = Checkpoint.read(path)
    if known:
        reached = ", ".join(f"{name} row {row:,}" for name, row in known.rows.items()) or "the beginning"
        notes().print(f"Going on where the last run stopped: {reached} (--again begins anew).", soft_wrap=True)
    return Journal(known or Checkpoint(), path)


def send_all(feeds: Sequence[Feed], journal: Journal, *, no_wait: bool) -> None:
    """Send the feeds, wait until the services have absorbed them, and print what became of it all."""
    present = environment()
    door = Door(present.url("ingest"), present.get("KIZUNA_WRITE_KEY"))
    service("ingest", credential="KIZUNA_WRITE_KEY").send("GET", "/livez")
    with Meter(notes()) as meter:
        tally = run_import(feeds, door, journal, meter)
    if not no_wait:
        absorbed.wait(("health", "revenue", "alerts"), notes())
    report(tally, journal.checkpoint.weeks)


def report(tally: Tally, weeks: int) -> None:
    """Print the tally; end with 1 when events were refused."""

    def people(out: Any) -> None:
        moved = f", moved by {weeks} weeks" if weeks else ""
        out.print(f"Imported{moved}: accepted {tally.accepted:,}, parked {tally.parked:,}, "
                  f"rejected {tally.rejected.total():,}.", soft_wrap=True)  # fmt: skip
        if tally.first_rejections:
            rows = [(refused.row, refused.code, refused.message) for refused in tally.first_rejections]
            out.print(table(("row>", "code", "message"), rows))

    show({"weeks": weeks, **tally.document()}, people)
    if tally.rejected:
        raise typer.Exit(1)


def vendor_zone() -> Any:
    """Return the time zone in which a subscription's day begins."""
    name = environment().values.get("KIZUNA_TIME_ZONE") or "UTC"
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Misused(f"KIZUNA_TIME_ZONE={name} is no time zone, such as Asia/Tokyo") from error
