"""How the archive is put together: one page from settings to running parts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.archive.archiver import Archiver, Limits, Origin
from shared.archive.store import Store
from shared.observability import ARCHIVE_HELD, ARCHIVE_UNREAD, configure_logging
from shared.probes import probes
from shared.service import Part, http_part, serve

if TYPE_CHECKING:
    from shared.archive.settings import Settings

MIB = 1024 * 1024
STUCK_SECONDS = 60.0


async def run(settings: Settings) -> int:
    """Archive until told to stop; return the exit code."""
    configure_logging("archive")
    origin = Origin(settings.kafka, settings.topic_prefix, settings.session_seconds)
    archiver = Archiver(origin, Store(settings.store), Limits(settings.flush_seconds, settings.file_mib * MIB))
    ARCHIVE_HELD.set_function(archiver.oldest)
    ARCHIVE_UNREAD.set_function(lambda: float("nan") if (lag := archiver.lag()) is None else lag)

    async def ready() -> str | None:
        return archiver.trouble

    def alive() -> str | None:
        silent = time.monotonic() - archiver.beat
        return f"no progress for {silent:.0f} s" if silent > STUCK_SECONDS else None

    app = probes("archive", {"archiver": ready}, {"archiver": alive})
    http = http_part(app, settings.host, settings.port, "KIZUNA_ARCHIVE_PORT")
    return await serve([http, Part("archiver", archiver.run)])
