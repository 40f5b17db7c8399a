"""Owns the mail server: SMTP as it is spoken, every accepted mail kept, with scripted faults."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.inbox.mailbox import Message

if TYPE_CHECKING:
    from deploy.local.inbox.mailbox import Faults, Mailbox

MOST_BYTES: Final = 1024 * 1024
HANG_SECONDS: Final = 60.0
ACCOUNT_HEADER: Final = "X-Kizuna-Account"
OK: Final = "250 OK"


class MailServer:
    """Builds one SMTP conversation per connection. A fault is taken per mail: codes answer RCPT, the rest DATA."""

    def __init__(self, mailbox: Mailbox, faults: Faults) -> None:
        self._mailbox = mailbox
        self._faults = faults

    def protocol(self) -> SMTP:
        """Return the protocol of a new connection; to be called in the running loop."""
        # The library finds its hooks by name.
        hooks = SimpleNamespace(handle_MAIL=self._mail, handle_RCPT=self._recipient, handle_DATA=self._data)
        loop = asyncio.get_running_loop()
        return _Conversation(
            hooks, loop=loop, hostname="inbox.localhost", data_size_limit=MOST_BYTES, enable_SMTPUTF8=True
        )

    async def _mail(self, *arguments: Any) -> str:
        _server, _session, envelope, address, options = arguments
        envelope.fault = self._faults.take("smtp")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return OK

    async def _recipient(self, *arguments: Any) -> str:
        _server, _session, envelope, address, _options = arguments
        if envelope.fault is not None and envelope.fault.isdigit():
            return f"{envelope.fault} scripted fault"
        envelope.rcpt_tos.append(address)
        return OK

    async def _data(self, server: SMTP, _session: Session, envelope: _Envelope) -> str:
        if envelope.fault == "hang":
            await asyncio.sleep(HANG_SECONDS)
            return "451 scripted fault"
        self._mailbox.add(_message(envelope))
        if envelope.fault is not None and envelope.fault.startswith("late:"):
            await asyncio.sleep(int(envelope.fault.removeprefix("late:")))
        if envelope.fault == "drop_after_data" and server.transport is not None:
            cast("asyncio.Transport", server.transport).abort()
            await asyncio.sleep(HANG_SECONDS)  # ends at once: losing the connection cancels this conversation
        return OK


class _Envelope(Envelope):
    fault: str | None = None


class _Conversation(SMTP):
    def _create_envelope(self) -> Envelope:
        return _Envelope()


def _message(envelope: Envelope) -> Message:
    content = envelope.content if isinstance(envelope.content, bytes) else b""
    mail = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    headers = {name: ", ".join(str(value) for value in mail.get_all(name, [])) for name in mail}
    body = {"subject": headers.get("Subject", ""), "from": headers.get("From", envelope.mail_from or "")}
    return Message(
        channel="email",
        to=", ".join(envelope.rcpt_tos),
        received_at=datetime.now(UTC),
        text=_part(mail, "plain"),
        account_ids=tuple(str(value) for value in mail.get_all(ACCOUNT_HEADER, [])),
        headers=headers,
        body={**body, "html": _part(mail, "html") or None},
    )


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, KeyError, ValueError):  # a character set or content type that nobody knows
        return str(part.get_payload())
