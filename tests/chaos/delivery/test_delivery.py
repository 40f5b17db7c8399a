"""How a delivery ends: at each fault of Slack and the mail server, and killed at each step. Twins must be caught.

`make delivery` runs this and prints how each case ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from services.alerts import queue
from services.alerts.app import open_channels
from services.alerts.channels.slack import Slack
from shared.db import Database
from shared.events import Owner
from tests.chaos.delivery.judge import Item, broken, told
from tests.chaos.delivery.steps import STEPS, TWINS
from tests.integration.alerts.desk import Desk
from tests.plugins.alerts import settings_for
from tests.unit.alerts.saying import JANE, owner
from tests.unit.alerts.saying import told as signal_of

if TYPE_CHECKING:
    from services.alerts.settings import Settings
    from tests.plugins.inbox import LocalInbox
    from tests.plugins.postgres import ServiceDatabase

PATIENCE = 60.0
OVER_THE_LEASE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=16)
OF_QUEUE = ("start", "expire", "settle")  # what twins replace there

FAULTS: dict[str, dict[str, list[str]]] = {
    "slack 429": {"slack": ["429:1", "429:1"]},
    "slack 500": {"slack": ["500"]},
    "slack 503, 500": {"slack": ["503", "500"]},
    "slack hangs": {"slack": ["hang"]},
    "slack resets": {"slack": ["reset"]},
    "slack accepts, then resets": {"slack": ["reset_after_accept"]},
    "slack 500, then accepts and resets": {"slack": ["500", "reset_after_accept"]},
    "slack fatal_error": {"slack": ["error:fatal_error"]},
    "slack service_unavailable": {"slack": ["error:service_unavailable"]},
    "slack user_not_found": {"slack": ["error:user_not_found"]},
    "mail 421": {"smtp": ["421"]},
    "mail 451, 452": {"smtp": ["451", "452"]},
    "mail 550": {"smtp": ["550"]},
    "mail hangs": {"smtp": ["hang"]},
    "mail answers late": {"smtp": ["late:2"]},
    "mail answers too late": {"smtp": ["late:8"]},
    "mail drops after DATA": {"smtp": ["drop_after_data"]},
    "mail drops twice": {"smtp": ["drop_after_data", "drop_after_data"]},
    "both refuse": {"slack": ["error:user_not_found"], "smtp": ["550"]},
    "both refuse everybody": {"slack": ["error:user_not_found"] * 9, "smtp": ["550"] * 9},
    "slack 500 for ever": {"slack": ["500"] * 100},
    "mail 451 for ever": {"smtp": ["451"] * 100},
}
TAKEN_UNSEEN = {"hang": 0, "late:8": 1, "drop_after_data": 1}  # mails taken whose sender was not told so
"""Slack can be asked afterwards, a mail server cannot: only mails may come twice."""
UNSURE = {"request written", "response read", "before the commit of sent"}
ONLY = {
    "slack": {"smtp_url": None, "team_mail": None},
    "email": {"slack_token": None, "team_channel": None},
}
BETRAYED = {
    "sent before sending": ("slack", "rendered", "said to be sent, and nothing came"),
    "repeated unmarked": ("email", "request written", "came again without saying so"),
    "never looked up": ("slack", "response read", "came again, where 0 answers were unclear"),
}
"""Twins: over which channel they deliver, killed at which step, and what gives them away."""
BOSS = Owner(id="boss", email="boss@vendor.example", name="Mary Doe", slack_id="U0BOSS0001", locale="en-GB")
Note = Callable[[str, object], None]
Sabotage = Callable[[str], None]


@pytest.fixture
async def settings(service_database: ServiceDatabase, inbox: LocalInbox) -> Settings:
    return settings_for(inbox, await service_database("alerts"))


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_fails(fault: str, settings: Settings, inbox: LocalInbox, record_property: Note) -> None:
    inbox.faults(**FAULTS[fault])
    async with replica(settings) as desk:
        await hear(desk)
        items = await settled(desk, LONGEST_PAUSE if "for ever" in fault else timedelta())
    unclear = sum(TAKEN_UNSEEN.get(each, 0) for each in FAULTS[fault].get("smtp", ()))
    record_property("ended", told(items, inbox.messages()))
    assert broken(items, inbox.messages(), {"email": unclear}) == []
    assert inbox.violations() == []


@pytest.mark.parametrize("channel", ONLY)
@pytest.mark.parametrize("step", STEPS)
async def test_killed_at(step: str, channel: str, settings: Settings, inbox: LocalInbox, record_property: Note) -> None:
    items = await killed_and_taken_over(step, settings.model_copy(update=ONLY[channel]))
    record_property("ended", told(items, inbox.messages()))
    assert broken(items, inbox.messages(), {"email": int(step in UNSURE)}) == []


@pytest.mark.parametrize("twin", BETRAYED)
async def test_a_twin_is_caught(
    twin: str, settings: Settings, inbox: LocalInbox, sabotage: Sabotage, record_property: Note
) -> None:
    channel, step, complaint = BETRAYED[twin]
    sabotage(twin)
    items = await killed_and_taken_over(step, settings.model_copy(update=ONLY[channel]), twin)
    complaints = "; ".join(broken(items, inbox.messages(), {"email": int(step in UNSURE)}))
    record_property("ended", f"caught: {complaints}")
    assert complaint in complaints


async def test_a_twin_that_hides_death_is_caught(
    settings: Settings, inbox: LocalInbox, sabotage: Sabotage, record_property: Note
) -> None:
    sabotage("death hidden")
    inbox.faults(slack=["error:user_not_found"])
    async with replica(settings) as desk:
        await hear(desk)
        items = await settled(desk)
    complaints = "; ".join(broken(items, inbox.messages(), {}))
    record_property("ended", f"caught: {complaints}")
    assert "neither delivered nor dead" in complaints


@pytest.fixture
def sabotage(monkeypatch: pytest.MonkeyPatch) -> Sabotage:
    """Turn this process into a twin, until the test is over."""
    for place, name in (*((queue, name) for name in OF_QUEUE), (Slack, "find")):
        monkeypatch.setattr(place, name, getattr(place, name))  # so that it is put back
    return lambda twin: TWINS[twin]()


@asynccontextmanager
async def replica(settings: Settings) -> AsyncIterator[Desk]:
    desk = Desk(Database(settings.database_url), settings, open_channels(settings))
    try:
        yield desk
    finally:
        for channel in desk.channels.values():
            await channel.close()
        await desk.database.close()


async def hear(desk: Desk) -> None:
    """Hear of a signal at an account that has an owner and a manager."""
    await desk.tell(owner("acme", JANE), owner("acme", BOSS, role="manager"), signal_of("acme"))


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


async def killed_and_taken_over(step: str, settings: Settings, *twin: str) -> list[Item]:
    """Let one replica die at a step of its first delivery, and another one find what it left."""
    async with replica(settings) as desk:
        await hear(desk)
        command = (sys.executable, "-m", "tests.chaos.delivery.worker", step, *twin)
        worker = await asyncio.create_subprocess_exec(*command, env=environment(settings))
        try:
            assert await asyncio.wait_for(worker.wait(), PATIENCE) == -signal.SIGKILL
        finally:
            if worker.returncode is None:
                worker.kill()
        desk.ahead = OVER_THE_LEASE
        return await settled(desk)


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a process has these settings."""
    shared = {"public_key_file": "KIZUNA_PUBLIC_KEY_FILE"}
    own = type(settings).model_fields.keys() - {"kafka"}
    told_by = {name: f"KIZUNA_ALERTS_{name.upper()}" for name in own} | shared
    values = {variable: getattr(settings, name) for name, variable in told_by.items()}
    values |= {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    plain = {name: each.get_secret_value() if isinstance(each, SecretStr) else each for name, each in values.items()}
    return os.environ | {name: str(value) for name, value in plain.items() if value is not None}
