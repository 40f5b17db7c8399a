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
from cli.importer import crm6
from cli.importer.batches import Batch, Limits, batches
from cli.importer.sender import Door, Tally, deliver
from cli.output import end, notes, show, table
from cli.sending import SOURCE, events_of_lines

LIMITS = Limits(events=500, size=3 * 1024 * 1024)
NOT_FOUND = 404


def send(
    file: Annotated[str, typer.Argument(help="Events as JSON lines; - is standard input.", metavar="FILE|-")],
) -> None:
    """Send events, CloudEvents 1.0 in JSON, one to a line. Exit 1 when one of them was refused.

    A line without `specversion`, `source` or `id` gets them: the source "kizuna-cli", and a hash of the line as its id.

    Example: jq -c '.[]' events.json | kizuna send -
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
    path = Path(name)
    if not path.is_file():
        raise Misused(f"{name} is no file")
    with path.open("rb") as file:
        yield file


def event(
    event_id: Annotated[str, typer.Argument(help="The id of the event.", metavar="ID")],
    source: Annotated[str | None, typer.Option("--source", help="Its source; default those known here.")] = None,
) -> None:
    """Show what became of an event: parked or refused at ingest, or accepted and then counted by which services.

    Example: kizuna event 5f1c… --source crm6
    """
    answers: list[dict[str, Any]] = []
    for tried in [source] if source else known_sources():
        answers = fate(event_id, tried)
        if any(answer["state"] != "unknown" for answer in answers):
            break
    columns = ("service", "state", "code", "message")
    show(
        {"id": event_id, "source": tried, "services": answers},
        lambda out: out.print(table(columns, ([answer.get(name) for name in columns] for answer in answers))),
    )
    if all(answer["state"] == "unknown" for answer in answers):
        end(f"No service knows an event {event_id}. Is its --source right?", Refused.exit_code)


def fate(event_id: str, source: str) -> list[dict[str, Any]]:
    """Return what each service says of an event. What a consumer has, ingest must have accepted."""
    ingest, *consumers = (said_of(name, event_id, source) for name in ("ingest", "health", "revenue", "alerts"))
    if ingest["state"] == "unknown" and any(answer["state"] != "unknown" for answer in consumers):
        ingest = {"service": "ingest", "state": "accepted"}
    return [ingest, *consumers]


def said_of(name: str, event_id: str, source: str) -> dict[str, Any]:
    """Return one service's answer; one that knows nothing of the event says so by 404."""
    try:
        answer: dict[str, Any] = service(name).get(f"/v1/events/{segment(event_id)}", source=source)
    except Refused as error:
        if error.status != NOT_FOUND:
            raise
        return {"service": name, "state": "unknown"}
    return answer


def known_sources() -> list[str]:
    """Return the sources of this command line, and of all write keys where the caller may see them."""
    try:
        keys = [key["source"] for key in service("ingest").items("/v1/keys")]
    except Refused:
        keys = []
    return list(dict.fromkeys([SOURCE, crm6.SOURCE, *keys]))
