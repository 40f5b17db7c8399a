"""`send` and `event`: events in, and what became of one."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from cli.client import environment, segment, service
from cli.errors import Misused, Refused
from cli.importer.batches import Batch, Limits, batches
from cli.importer.sender import Door, Tally, deliver
from cli.output import end, notes, show, table
from cli.sending import SOURCE, events_of_lines

LIMITS = Limits(events=500, size=3 * 1024 * 1024)
NOT_TAKEN = {"unknown", "refused"}


def send(
    file: Annotated[str, typer.Argument(help="Events as JSON lines; - is standard input.", metavar="FILE|-")],
) -> None:
    """Send events, CloudEvents 1.0 in JSON, one to a line. Exit 1 when one of them was refused.

    A line without `specversion`, `source` or `id` gets them: the source "kizuna-cli", and a hash of the line as its id.

    Example: echo '{"type":"kizuna.usage.recorded","subject":"acme","data":{"event":"login","person_id":"ann"}}' | kizuna send -
    """
    present = environment()
    door = Door(present.url("ingest"), present.get("KIZUNA_WRITE_KEY"), in_flight=2, patience=60)
    service("ingest", credential="KIZUNA_WRITE_KEY").send("GET", "/livez")
    tally, added = Tally(), Counter[str]()

    def taken(batch: Batch, answer: dict[str, Any]) -> None:
        tally.add(batch, answer)

    with opened(file) as lines:
        numbered = events_of_lines(lines, lambda _line, names: added.update(names))
        asyncio.run(deliver(door, batches(numbered, LIMITS), taken))
    if added:
        what = ", ".join(f"{name} to {count}" for name, count in added.items())
        notes().print(f"Added {what} of the events (source {SOURCE}, the id a hash of the line).", soft_wrap=True)
    report(tally)


def report(tally: Tally) -> None:
    """Print what ingest said, refusals with their lines, and end with 1 when there were any."""

    def people(out: Any) -> None:
        out.print(f"accepted {tally.accepted:,}, parked {tally.parked:,}, rejected {tally.rejected.total():,}")
        if tally.first_rejections:
            rows = [(refused.row, refused.code, refused.message, refused.id) for refused in tally.first_rejections]
            out.print(table(("line>", "code", "message", "id"), rows))

    show(tally.document(), people)
    if tally.rejected:
        raise typer.Exit(1)


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """Open a file for reading, standard input for `-`; `Misused` when it is not there."""
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below; opening alone may fail with a remedy
    except OSError as error:
        raise Misused(f"{name} cannot be read: {error.strerror}") from error
    with file:
        yield file


def event(
    event_id: Annotated[str, typer.Argument(help="The id of the event.", metavar="ID")],
    source: Annotated[str, typer.Option("--source", help="Its source: ids are unique within one.")] = SOURCE,
) -> None:
    """Show what became of an event in each service: counted, parked, refused, or unknown there.

    Example: kizuna event 5f1c… --source crm6
    """
    path = f"/v1/events/{segment(event_id)}"
    answers = [service(name).get(path, source=source) for name in ("ingest", "health", "revenue", "alerts")]
    columns = ("service", "state", "reason")
    show(
        {"id": event_id, "source": source, "services": answers},
        lambda out: out.print(table(columns, ([answer.get(name) for name in columns] for answer in answers))),
    )
    if {answer["state"] for answer in answers} <= NOT_TAKEN:
        end(f"No service has counted an event {event_id} of {source}: is the source right?", Refused.exit_code)
