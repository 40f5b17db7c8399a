"""Replicas of alerts: one in this process that hears of a signal and delivers, others that are struck on their way."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import psutil
from pydantic import SecretStr

from services.alerts.app import open_channels
from services.alerts.delivery import BETWEEN_MESSAGES, LEASE
from shared.db import Database
from shared.events import Owner
from tests.chaos.delivery.steps import STOPS
from tests.integration.alerts.desk import Desk
from tests.plugins.runtime import until
from tests.unit.alerts.saying import JANE, owner, told

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from services.alerts.settings import Settings
    from tests.chaos.delivery.judge import Item

PATIENCE: Final = 60.0
OVER_THE_LEASE: Final = timedelta(minutes=1)
BOSS: Final = Owner(id="boss", email="boss@vendor.example", name="Mary Doe", slack_id="U0BOSS0001", locale="en-GB")


@asynccontextmanager
async def replica(settings: Settings) -> AsyncIterator[Desk]:
    """Run a replica in this process."""
    desk = Desk(Database(settings.database_url), settings, open_channels(settings))
    try:
        yield desk
    finally:
        for channel in desk.channels.values():
            await channel.close()
        await desk.database.close()


async def hear(desk: Desk) -> None:
    """Hear of a signal at an account that has an owner and a manager."""
    await desk.tell(owner("acme", JANE), owner("acme", BOSS, role="manager"), told("acme"))


async def settled(desk: Desk, jump: timedelta = timedelta()) -> list[Item]:
    """Send until nothing waits any more, time going on by `jump` after each look; return the deliveries."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await desk.send()
            found = [each for alert in await desk.alerts() for each in alert["deliveries"]]
            if not any(each["state"] in {"pending", "ambiguous"} for each in found):
                return found
            desk.ahead += jump
            await asyncio.sleep(0.05)


async def taken_over(step: str, settings: Settings, *twin: str) -> list[Item]:
    """Let one replica be killed or stopped at a step of its first delivery, and another one find what it left."""
    async with replica(settings) as desk:
        await hear(desk)
        async with worker(step, settings, *twin) as struck:
            if step in STOPS:
                await outlasted(struck)
                await settled(desk)
                await asyncio.sleep(BETWEEN_MESSAGES.total_seconds())  # or Slack's pace would turn it away
                struck.send_signal(signal.SIGCONT)
            assert await asyncio.wait_for(struck.wait(), PATIENCE) == -signal.SIGKILL
        desk.ahead = OVER_THE_LEASE
        return await settled(desk)


@asynccontextmanager
async def worker(step: str, settings: Settings, *twin: str) -> AsyncIterator[Process]:
    """Run a replica in a process of its own, to be struck at a step."""
    command = (sys.executable, "-m", "tests.chaos.delivery.worker", step, *twin)
    process = await asyncio.create_subprocess_exec(*command, env=environment(settings))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def outlasted(struck: Process) -> None:
    """Wait until a process has stopped, and then until its lease is over by everybody's clock."""
    await until(lambda: psutil.Process(struck.pid).status() == psutil.STATUS_STOPPED, PATIENCE)
    await asyncio.sleep(LEASE.total_seconds() + 1)


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a process has these settings."""
    shared = {"public_key_file": "KIZUNA_PUBLIC_KEY_FILE"}
    own = type(settings).model_fields.keys() - {"kafka"}
    told_by = {name: f"KIZUNA_ALERTS_{name.upper()}" for name in own} | shared
    values = {variable: getattr(settings, name) for name, variable in told_by.items()}
    values |= {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    plain = {name: each.get_secret_value() if isinstance(each, SecretStr) else each for name, each in values.items()}
    return os.environ | {name: str(value) for name, value in plain.items() if value is not None}
