"""A replica of alerts that delivers what waits and is killed or stopped at one step of it: `… .worker STEP [TWIN]`.

Settings come as for the service; it needs no broker, for what it delivers lies in the database already.
"""

from __future__ import annotations

import asyncio
import sys

from services.alerts.app import open_channels
from services.alerts.content import Writer
from services.alerts.dispatch import Dispatcher
from services.alerts.links import Links
from services.alerts.settings import Settings
from shared.clock import now
from shared.db import Database
from tests.chaos.delivery.steps import KILLS, STOPS, TWINS


async def deliver() -> None:
    settings = Settings.load()
    writer = Writer(Links(settings.link_secret.get_secret_value(), settings.public_url), settings.time_zone)
    await Dispatcher(Database(settings.database_url), open_channels(settings), writer, now).run(asyncio.Event())


if __name__ == "__main__":
    step, *twin = sys.argv[1:]
    for name in twin:
        TWINS[name]()
    (KILLS | STOPS)[step]()
    asyncio.run(deliver())  # on asyncio's own loop: what is written is with the kernel at once
