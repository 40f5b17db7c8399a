"""What every channel promises, tested on all of them unnamed, and on a fake that is held to the same.

A new channel needs an opponent in `OPPONENTS`: how to configure it against the local inbox, and which scripted faults
of its stand-in mean what. Without one its tests fail here.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from deploy.local.ports import HOST
from services.alerts.channel import (
    TOO_LATE,
    Channel,
    Outcome,
    Reference,
    Refused,
    Sent,
    Throttled,
    Unavailable,
    Unclear,
)
from services.alerts.content import Topic, Writer
from services.alerts.directory import Account, Person
from services.alerts.episode import Said, fold
from services.alerts.links import Links
from services.alerts.routing import Recipient
from services.alerts.templates import LANGUAGES
from shared.plugins import discover
from tests.plugins.alerts import settings_for
from tests.unit.alerts.saying import HANAKO, JANE, START, evidence, signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.alerts.message import Message
    from services.alerts.settings import Settings
    from tests.plugins.inbox import LocalInbox

PLUGINS = {plugin.name: plugin for plugin in discover("services.alerts.channels")}
WRITER = Writer(Links("a secret of the tests", "https://kizuna.example"), ZoneInfo("UTC"))
HOSTILE = ["<!channel> <@U1|you>", "\r\nBcc: everybody@x", "<script>alert(1)</script>", "{{7*7}} {0} %s", "😀" * 3000]


@dataclass(frozen=True, slots=True)
class Opponent:
    """The stand-in's faults, by what they mean; `moved` points the channel at another port."""

    faults: dict[type, tuple[str, ...]]
    moved: Callable[[int], dict[str, str]]


OPPONENTS = {
    "slack": Opponent(
        {
            Throttled: ("429:3",),
            Unavailable: (
                *("error:service_unavailable", "error:token_revoked", "error:token_expired", "error:invalid_auth"),
                *("error:not_authed", "error:account_inactive", "error:org_login_required", "302", "401", "403", "407"),
            ),
            Unclear: ("500", "503", "reset", "reset_after_accept", "error:fatal_error"),
            Refused: (
                "error:user_not_found",
                "error:is_archived",
                "error:channel_not_found",
                "error:never_heard_of",
                "404",
            ),
        },
        lambda port: {"slack_url": f"http://127.0.0.1:{port}/api/"},
    ),
    "email": Opponent(
        {Throttled: (), Unavailable: ("421", "451"), Unclear: ("drop_after_data",), Refused: ("550", "554")},
        lambda port: {"smtp_url": f"smtp://127.0.0.1:{port}"},
    ),
}


@dataclass
class FakeChannel:
    """A channel that delivers into a list and answers as it is told; for tests of what lies above channels."""

    name: str = "fake"
    sent: list[tuple[str, Message, Reference]] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)

    def open(self, settings: Settings) -> FakeChannel | None:
        return self

    def address(self, person: Person) -> str | None:
        return person.email

    def team(self) -> str | None:
        return "team"

    async def send(self, message: Message, to: str, reference: Reference) -> Outcome:
        if time.monotonic() > reference.until:
            return TOO_LATE
        answer = self.answers.pop(0) if self.answers else Sent(reference.delivery_id)
        if isinstance(answer, Sent):
            self.sent.append((to, message, reference))
        return answer

    async def find(self, to: str, reference: Reference) -> Sent | None:
        return next((Sent(each.delivery_id) for _, _, each in self.sent if each == reference), None)

    async def close(self) -> None:
        pass


def message(language: str, text: str = "Ken has left.", name: str = "Acme") -> Message:
    account = Account("acme", name, renewal_on=date(2026, 9, 30), owners={"csm": JANE}, mrr={"USD": Decimal(1200)})
    said = Said("opened", signal(evidence=[evidence(en=text, ja=text)]), START, "1")
    topic = Topic(fold("acme", [said], [])[0], account, ("d1", START))
    return WRITER.alert(topic, Recipient("csm", "jane", "any", "there", language))


@pytest.fixture(params=[*PLUGINS, "fake"])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    if found != "fake" and found not in OPPONENTS:
        pytest.fail(f"Add an opponent for the channel {found!r} to OPPONENTS.")
    return found


@pytest.fixture
async def channel(name: str, inbox: LocalInbox) -> Any:
    plugin = PLUGINS.get(name) or FakeChannel()
    opened = plugin.open(settings_for(inbox))
    assert opened is not None
    yield opened
    await opened.close()


def faulty() -> Iterator[Any]:
    for plugin, opponent in OPPONENTS.items():
        for meaning, faults in opponent.faults.items():
            for fault in faults:
                yield pytest.param(plugin, fault, meaning, id=f"{plugin}-{fault}")


def arrived(channel: Channel, inbox: LocalInbox) -> list[str]:
    if isinstance(channel, FakeChannel):
        return [str(message) for _, message, _ in channel.sent]
    return [f"{each['text']} {each.get('blocks')} {each.get('html')}" for each in inbox.messages(channel=channel.name)]


def test_a_plug_in_is_named_like_its_channel(name: str, channel: Channel) -> None:
    assert channel.name == name


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_what_is_sent_arrives_in_its_language(channel: Channel, inbox: LocalInbox, language: str) -> None:
    outcome = await channel.send(message(language), channel.address(HANAKO) or "", Reference("d1", ("acme",)))
    assert isinstance(outcome, Sent)
    [text] = arrived(channel, inbox)
    words = LANGUAGES[language]
    for part in (words.signals["champion_left"], words.evidence, words.acknowledge, "Ken has left."):
        assert part in text


async def test_everybody_is_reached_somewhere_and_the_team_too(channel: Channel) -> None:
    assert channel.address(HANAKO)
    assert channel.address(Person(id="x", email="x@vendor.example"))
    assert channel.team()


async def test_somebody_known_by_mail_alone_is_reached(channel: Channel, inbox: LocalInbox) -> None:
    to = channel.address(Person(id="x", email="x@vendor.example"))
    assert isinstance(await channel.send(message("en"), to or "", Reference("d1", ("acme",))), Sent)
    assert len(arrived(channel, inbox)) == 1


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_delivered_as_text(channel: Channel, inbox: LocalInbox, text: str) -> None:
    outcome = await channel.send(message("en", text, text), channel.address(JANE) or "", Reference("d1", ("acme",)))
    assert isinstance(outcome, Sent)
    for each in inbox.messages():
        shown = f"{each['text']} {each.get('blocks')}" if each["channel"] == "slack" else str(each.get("html"))
        assert "<!channel>" not in shown
        assert "<@U1" not in shown
        assert "<script>" not in shown
        assert "Bcc" not in each["headers"]


@pytest.mark.parametrize(("plugin", "fault", "meaning"), list(faulty()))
async def test_whatever_goes_wrong_is_one_of_the_five_answers(
    inbox: LocalInbox, plugin: str, fault: str, meaning: Any
) -> None:
    channel = PLUGINS[plugin].open(settings_for(inbox))
    inbox.faults(**{"smtp" if plugin == "email" else plugin: [fault]})
    outcome = await channel.send(message("en"), channel.address(JANE), Reference("d1", ("acme",)))
    await channel.close()
    assert type(outcome) is meaning
    assert not isinstance(outcome, Sent)
    assert outcome.reason
    if isinstance(outcome, Throttled):
        assert outcome.retry_after == 3


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
async def test_without_a_server_nothing_was_taken(inbox: LocalInbox, plugin: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        channel = PLUGINS[plugin].open(settings_for(inbox, **OPPONENTS[plugin].moved(taken.getsockname()[1])))
        outcome = await channel.send(message("en"), channel.address(JANE), Reference("d1", ("acme",)))
        await channel.close()
    assert isinstance(outcome, Unavailable)


async def test_nothing_is_handed_over_by_whom_somebody_else_may_have_relieved(
    channel: Channel, inbox: LocalInbox
) -> None:
    late = Reference("d1", ("acme",), until=time.monotonic() - 0.001)
    assert await channel.send(message("en"), channel.address(JANE) or "", late) == TOO_LATE
    assert arrived(channel, inbox) == []


class Hesitant(SMTP):
    """Lets its client wait for so long before it asks for the content."""

    seconds = 0.5

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - the library finds it by name
        await asyncio.sleep(self.seconds)
        await super().smtp_DATA(arg)


@pytest.mark.parametrize(("left", "mails"), [(Hesitant.seconds / 2, 0), (60, 1)], ids=["too_late", "in_time"])
async def test_no_content_follows_when_a_mail_server_asks_for_it_too_late(
    inbox: LocalInbox, left: float, mails: int
) -> None:
    taken: list[Envelope] = []

    async def keep(_server: SMTP, _session: Session, envelope: Envelope) -> str:
        taken.append(envelope)
        return "250 OK"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Hesitant(SimpleNamespace(handle_DATA=keep), loop=loop), HOST, 0)
    async with server:
        moved = OPPONENTS["email"].moved(server.sockets[0].getsockname()[1])
        channel = PLUGINS["email"].open(settings_for(inbox, **moved))
        reference = Reference("d1", ("acme",), until=time.monotonic() + left)
        outcome = await channel.send(message("en"), channel.address(JANE), reference)
        await asyncio.sleep(0.1)
    assert len(taken) == mails
    assert isinstance(outcome, Sent) if mails else outcome == TOO_LATE


async def test_finding_never_invents(channel: Channel) -> None:
    assert await channel.find(channel.address(JANE) or "", Reference("never sent", ("acme",))) is None


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_an_unconfigured_channel_is_off(inbox: LocalInbox, plugin: str) -> None:
    off = {"slack_token": None, "smtp_url": None}
    settings = settings_for(inbox).model_copy(update=off)
    assert PLUGINS[plugin].open(settings) is None
