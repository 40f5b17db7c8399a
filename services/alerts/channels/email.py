"""E-mail over SMTP: one mail to one address, and whether the server has taken it.

The stages are walked one by one, because only a failure after the content was written leaves it open whether the mail
was taken. The clock is looked at when the server has asked for the content: its answer may have waited for a process
that was stopped.
"""

from __future__ import annotations

import time
from email.policy import SMTP as SMTP_POLICY
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.alerts.channel import TOO_LATE, Outcome, Reference, Refused, Sent, Unavailable, Unclear
from services.alerts.channels.mail import compose
from services.alerts.message import one_line

if TYPE_CHECKING:
    from email.message import EmailMessage

    from services.alerts.directory import Person
    from services.alerts.message import Message
    from services.alerts.settings import Settings

DEADLINE: Final = 6.0
PERMANENT: Final = 500
END: Final = b".\r\n"


class Email:
    """Mail through one server. `url` is `smtp://` (STARTTLS where offered, required with a password) or `smtps://`."""

    name = "email"

    def __init__(self, url: str, sender: str, team: str | None) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._team = team
        self._domain = sender.rpartition("@")[2]

    def address(self, person: Person) -> str | None:
        """Return the person's mail address."""
        return person.email

    def team(self) -> str | None:
        """Return the team's mail address."""
        return self._team

    async def send(self, message: Message, to: str, reference: Reference) -> Outcome:
        """Send one mail to one address."""
        try:
            mail = compose(message, self._sender, to, reference)
        except ValueError as error:
            return Refused(str(error))
        client = self._client()
        try:
            return await self._hand_over(client, mail, to, reference)
        finally:
            client.close()

    async def find(self, to: str, reference: Reference) -> Sent | None:
        """Nobody can ask a mail server; the receiver recognises a repetition by its Message-ID."""
        del to, reference
        return None

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _hand_over(self, client: aiosmtplib.SMTP, mail: EmailMessage, to: str, reference: Reference) -> Outcome:
        if trouble := await self._greet(client, to):
            return trouble
        content = mail.as_bytes(policy=SMTP_POLICY).replace(b"\r\n.", b"\r\n..") + END
        if client.protocol is None:
            return Unavailable("no mail server: it hung up")
        if time.monotonic() > reference.until:
            return TOO_LATE
        try:
            client.protocol.write(content)
            code, text = await client.protocol.read_response(DEADLINE)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Unclear(f"the mail server did not confirm: {type(error).__name__}")
        return Sent(str(mail["Message-ID"])) if code == aiosmtplib.SMTPStatus.completed else _judged(code, text)

    async def _greet(self, client: aiosmtplib.SMTP, to: str) -> Outcome | None:
        """Go on until the server asks for the content; nothing was taken when this fails."""
        try:
            await client.connect()
            await client.mail(self._sender)
            await client.rcpt(to)
            code, text = await client.execute_command(b"DATA")
        except aiosmtplib.SMTPAuthenticationError as error:
            return Unavailable(f"the mail server refuses our login: {error.code}")
        except aiosmtplib.SMTPResponseException as error:
            return _judged(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Unavailable(f"no mail server: {type(error).__name__}")
        except ValueError:
            return Refused(f"no mail can be addressed to {to!r}")
        return None if code == aiosmtplib.SMTPStatus.start_input else _judged(code, text)

    def _client(self) -> aiosmtplib.SMTP:
        user = unquote(self._url.username) if self._url.username else None
        secure = self._url.scheme == "smtps"
        return aiosmtplib.SMTP(
            hostname=self._url.hostname,
            port=self._url.port or (465 if secure else 587 if user else 25),
            username=user,
            password=unquote(self._url.password or "") if user else None,
            use_tls=secure,
            start_tls=True if user and not secure else False if secure else None,
            timeout=DEADLINE,
        )


class EmailPlugin:
    """Opens mail when a server is set."""

    name = "email"

    def open(self, settings: Settings) -> Email | None:
        """Return mail as the settings describe it."""
        if settings.smtp_url is None:
            return None
        return Email(settings.smtp_url.get_secret_value(), settings.mail_from, settings.team_mail)


def _judged(code: int, text: str) -> Outcome:
    reason = one_line(f"{code} {text}")
    return Refused(reason) if code >= PERMANENT else Unavailable(reason)


PLUGIN = EmailPlugin()
