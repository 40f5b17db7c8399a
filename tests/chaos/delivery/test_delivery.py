"""How a delivery ends: at each fault of Slack and the mail server, killed or stopped at each step. Twins are caught.

`make delivery` runs this and prints how each case ended.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.alerts import queue
from services.alerts.channels.slack import Slack
from services.alerts.delivery import Lease
from tests.chaos.delivery.judge import broken, told
from tests.chaos.delivery.replicas import hear, replica, settled, taken_over
from tests.chaos.delivery.steps import KILLS, TWINS
from tests.chaos.proxy import Proxy
from tests.contracts.test_channels import OPPONENTS
from tests.plugins.alerts import settings_for

if TYPE_CHECKING:
    from services.alerts.settings import Settings
    from tests.plugins.inbox import LocalInbox
    from tests.plugins.postgres import ServiceDatabase

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
STOPPED = [("message ready", "slack"), ("message ready", "email"), ("content announced", "email")]
LASTING = {"for a while": ("sent", timedelta()), "for ever": ("dead", LONGEST_PAUSE)}
"""How a delivery ends where nobody listens for so long, and how time goes on meanwhile."""
BETRAYED = {
    "sent before sending": ("slack", "rendered", "said to be sent, and nothing came"),
    "repeated unmarked": ("email", "request written", "came again without saying so"),
    "never looked up": ("slack", "response read", "came again, where 0 answers were unclear"),
    "trusts its lease": ("slack", "message ready", "came again without saying so"),
}
"""Twins: over which channel they deliver, struck at which step, and what gives them away."""
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


@pytest.mark.parametrize("channel", OPPONENTS)
@pytest.mark.parametrize("lasting", LASTING)
async def test_nobody_listens(
    lasting: str, channel: str, settings: Settings, inbox: LocalInbox, record_property: Note
) -> None:
    end, jump = LASTING[lasting]
    with Proxy({"slack": inbox.port, "email": inbox.smtp_port}[channel]) as door:
        door.refuse()
        moved = OPPONENTS[channel].moved(door.port)
        async with replica(settings_for(inbox, settings.database_url, **moved)) as desk:
            await hear(desk)
            await desk.send()
            if end == "sent":
                door.heal()
            items = await settled(desk, jump)
    record_property("ended", told(items, inbox.messages()))
    assert {each["channel"]: each["state"] for each in items} == dict.fromkeys(OPPONENTS, "sent") | {channel: end}
    assert all(each["attempts"] > 1 for each in items if each["channel"] == channel), "it was tried again"
    assert not any(each["repeated"] for each in items), "it is clear that nothing was taken"
    assert broken(items, inbox.messages(), {}) == []


@pytest.mark.parametrize("channel", ONLY)
@pytest.mark.parametrize("step", KILLS)
async def test_killed_at(step: str, channel: str, settings: Settings, inbox: LocalInbox, record_property: Note) -> None:
    items = await taken_over(step, settings.model_copy(update=ONLY[channel]))
    record_property("ended", told(items, inbox.messages()))
    assert broken(items, inbox.messages(), {"email": int(step in UNSURE)}) == []


@pytest.mark.parametrize(("step", "channel"), STOPPED)
async def test_stopped_and_woken_at(
    step: str, channel: str, settings: Settings, inbox: LocalInbox, record_property: Note
) -> None:
    items = await taken_over(step, settings.model_copy(update=ONLY[channel]))
    record_property("ended", told(items, inbox.messages()))
    assert broken(items, inbox.messages(), {}) == []


@pytest.mark.parametrize("twin", BETRAYED)
async def test_a_twin_is_caught(
    twin: str, settings: Settings, inbox: LocalInbox, sabotage: Sabotage, record_property: Note
) -> None:
    channel, step, complaint = BETRAYED[twin]
    sabotage(twin)
    items = await taken_over(step, settings.model_copy(update=ONLY[channel]), twin)
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
    for place, name in (*((queue, name) for name in OF_QUEUE), (Slack, "find"), (Lease, "covers")):
        monkeypatch.setattr(place, name, getattr(place, name))  # so that it is put back
    return lambda twin: TWINS[twin]()
