"""Owns the running inbox: HTTP and SMTP on loopback in one loop, ended by SIGTERM or SIGINT within two seconds."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deploy.local.inbox.app import Inbox, build
from deploy.local.inbox.smtp import MailServer

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"


async def run(port: int, smtp_port: int) -> None:
    """Serve until a signal asks to stop. Raises OSError when a port is taken."""
    inbox = Inbox()
    loop = asyncio.get_running_loop()
    mails = await loop.create_server(MailServer(inbox.mailbox, inbox.faults).protocol, HOST, smtp_port)
    web = _Web(
        uvicorn.Config(
            build(inbox),
            host=HOST,
            port=port,
            http=_Protocol,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=1,
            lifespan="off",
        )
    )
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, web.stop)
    try:
        await web.serve()
    finally:
        mails.close()


class _Web(uvicorn.Server):
    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the default raises them again afterwards, and the process would not exit with 0."""
        yield


class _Protocol(HttpToolsProtocol):
    """Lets a request reach its connection, so that the stand-in can break it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(cast("asyncio.Transport", transport))
