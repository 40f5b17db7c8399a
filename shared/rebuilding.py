"""`python -m services.<name> rebuild`: the command around a rebuild, with its progress and what it says at the end."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from shared.archive.store import Store, StoreTrouble
from shared.observability import configure_logging
from shared.rebuild import Rebuild, Told
from shared.vacancy import Occupied

if TYPE_CHECKING:
    from shared.consuming import Service
    from shared.db import Database
    from shared.settings import ServiceSettings

STORE = "KIZUNA_ARCHIVE_STORE"
WORD = "rebuild"


def wanted() -> bool:
    """Tell whether the process was started to rebuild, and not to serve."""
    return sys.argv[1:] == [WORD]


async def rebuild_service(service: Service, settings: ServiceSettings, database: Database) -> int:
    """Build the service's empty schema; return the exit code. What is said goes to stderr, the summary to stdout."""
    configure_logging(service.name)
    where = os.environ.get(STORE)
    if not where:
        raise Occupied(f"{STORE} is not set: it says where the archive lies, as file:///folder or s3://bucket/prefix.")
    rebuild = Rebuild(service, settings, database, Store(where))
    try:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeElapsedColumn(),
            console=Console(stderr=True),
        ) as bar:  # fmt: skip
            shown = bar.add_task(f"{service.name} from {where}", total=None, rate="")

            def step(done: int, total: int) -> None:
                seconds = bar.tasks[0].elapsed or 0.0
                rate = rebuild.told.records / seconds if seconds else 0.0
                bar.update(shown, completed=done, total=total, rate=f"{rebuild.told.records:,} events, {rate:,.0f}/s")

            told = await rebuild.run(step)
    except StoreTrouble as error:
        sys.stderr.write(f"The archive cannot be read: {error}\n")
        return 1
    finally:
        await database.close()
    sys.stdout.write(summary(service.name, told))
    return 0


def summary(service: str, told: Told) -> str:
    """Return what came of it, as a few lines."""
    rate = told.records / told.seconds if told.seconds else 0.0
    lines = [
        f"{service}: {told.records:,} records in {told.seconds:.1f} s ({rate:,.0f} events/s)",
        f"{told.archived:,} of them from the archive; evaluated in {told.evaluated_seconds:.1f} s",
        f"{told.silenced:,} outgoing events had been published before and are not sent again, {told.left:,} wait",
        *(f"MISSING, not in the archive: {gap}" for gap in told.gaps),
        "Start the service: it goes on from the topics where this ends.",
    ]
    return "\n".join(lines) + "\n"
