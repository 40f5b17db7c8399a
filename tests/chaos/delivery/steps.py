"""Where alerts can be killed or stopped while it delivers, and twins of it that do something wrong on purpose.

Both are patches from outside: the product knows of neither.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import aiosmtplib.protocol
import httpx

from services.alerts import queue
from services.alerts.channels.email import Email
from services.alerts.channels.slack import Slack
from services.alerts.delivery import Lease
from services.alerts.dispatch import Dispatcher
from shared.db import execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.alerts.delivery import Settled
    from services.alerts.message import Message

POST: Final = "chat.postMessage"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def before(owner: Any, name: str) -> None:
    """Die when `owner.name` is called."""

    async def dead(*_: Any, **__: Any) -> None:
        die()

    setattr(owner, name, dead)


def after(owner: Any, name: str) -> None:
    """Die when `owner.name` has returned."""
    real = getattr(owner, name)

    @wraps(real)
    async def dead(*arguments: Any, **more: Any) -> None:
        await real(*arguments, **more)
        die()

    setattr(owner, name, dead)


def rendered(strike: Callable[[], None]) -> None:
    """Strike when the message is ready."""
    real = Dispatcher._message

    def struck(self: Dispatcher, job: Any) -> Message:
        message = real(self, job)
        strike()
        return message

    Dispatcher._message = struck  # type: ignore[method-assign]  # on purpose


def stopped() -> None:
    """Stand still when the message is ready; once woken, die as soon as what came of it is noted."""
    rendered(stop)
    after(Dispatcher, "deliver")


def announced() -> None:
    """Stand still when a mail's content has been announced; once woken, die as soon as what came of it is noted."""
    real = aiosmtplib.protocol.SMTPProtocol.write

    def write(self: aiosmtplib.protocol.SMTPProtocol, data: bytes) -> None:
        real(self, data)
        if data == b"DATA\r\n":
            stop()

    aiosmtplib.protocol.SMTPProtocol.write = write  # type: ignore[method-assign]  # on purpose
    after(Dispatcher, "deliver")


def written() -> None:
    """Die when the last byte of the request has been handed to the kernel."""

    async def told(event: str, _: Any) -> None:
        if event == "http11.send_request_body.complete":
            die()

    real_post, real_write = httpx.AsyncClient.post, aiosmtplib.protocol.SMTPProtocol.write

    async def post(self: httpx.AsyncClient, url: str, **more: Any) -> httpx.Response:
        return await real_post(self, url, **more, extensions={"trace": told} if url == POST else {})

    def write(self: aiosmtplib.protocol.SMTPProtocol, data: bytes) -> None:
        real_write(self, data)
        if data.endswith(b"\r\n.\r\n"):
            die()

    httpx.AsyncClient.post = post  # type: ignore[assignment,method-assign]  # fewer parameters
    aiosmtplib.protocol.SMTPProtocol.write = write  # type: ignore[method-assign]  # on purpose


def answered() -> None:
    """Die when the answer has been read, and nobody knows of it yet."""
    after(Slack, "send")
    after(Email, "send")


KILLS: Final[dict[str, Callable[[], None]]] = {
    "claimed": lambda: before(Dispatcher, "deliver"),
    "rendered": lambda: rendered(die),
    "request written": written,
    "response read": answered,
    "before the commit of sent": lambda: after(queue, "settle"),
    "after the commit of sent": lambda: after(Dispatcher, "deliver"),
}
STOPS: Final[dict[str, Callable[[], None]]] = {"message ready": stopped, "content announced": announced}


def sent_before_sending() -> None:
    """Note a delivery as sent when it is claimed: what dies after that is lost."""
    real = queue.start

    async def start(conn: AsyncConnection, claim: queue.Claim, until: datetime) -> list[queue.Delivery]:
        found = await real(conn, claim, until)
        await execute(conn, "update delivery set state = 'sent' where id = any($1)", [each.id for each in found])
        return found

    queue.start = start


def repeated_unmarked() -> None:
    """Take a delivery whose sender vanished for one that was never begun: what arrived comes twice, without a word."""

    async def expire(conn: AsyncConnection, now: datetime) -> int:
        return await execute(
            conn,
            "update delivery set state = 'pending', lease = null where state = 'sending' and lease_until < $1",
            now,
        )

    queue.expire = expire


def death_hidden() -> None:
    """Take what is dead for what nobody wanted any more."""
    real = queue.settle

    async def settle(conn: AsyncConnection, lease: str, settled: Settled, now: datetime) -> list[queue.Delivery]:
        hidden = replace(settled, state="withdrawn") if settled.state == "dead" else settled
        return await real(conn, lease, hidden, now)

    queue.settle = settle


def never_looked_up() -> None:
    """Repeat what may have arrived in Slack without looking there first."""

    async def find(*_: object) -> None:
        return None

    Slack.find = find  # type: ignore[assignment,method-assign]  # on purpose


def trusts_its_lease() -> None:
    """Send what was claimed, however long ago."""

    def covers(*_: object) -> bool:
        return True

    Lease.covers = covers  # type: ignore[assignment,method-assign]  # on purpose


TWINS: Final[dict[str, Callable[[], None]]] = {
    "sent before sending": sent_before_sending,
    "repeated unmarked": repeated_unmarked,
    "never looked up": never_looked_up,
    "death hidden": death_hidden,
    "trusts its lease": trusts_its_lease,
}
