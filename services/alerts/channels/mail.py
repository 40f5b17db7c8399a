"""What a mail says: text and HTML with the same content, and a Message-ID that is the same however often it is sent."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from hashlib import blake2b
from typing import TYPE_CHECKING

from services.alerts.message import one_line
from services.alerts.templates import HTML, LANGUAGES

if TYPE_CHECKING:
    from services.alerts.channel import Reference
    from services.alerts.message import Message


def compose(message: Message, sender: str, to: str, reference: Reference) -> EmailMessage:
    """Write the mail. Raises ValueError when `to` is no address."""
    domain = sender.rpartition("@")[2]
    mail = EmailMessage()
    mail["From"] = Address("Kizuna", addr_spec=sender)
    mail["To"] = _address(to)
    mail["Subject"] = one_line(message.title)
    mail["Message-ID"] = f"<{reference.delivery_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    for account_id in reference.account_ids:
        mail["X-Kizuna-Account"] = one_line(account_id, 255)
    if len(reference.account_ids) == 1:
        mail["References"] = f"<{blake2b(reference.account_ids[0].encode(), digest_size=12).hexdigest()}@{domain}>"
    if reference.repeated:
        mail["X-Kizuna-Repeated"] = "maybe"
    footer = LANGUAGES[message.language].mail_footer
    mail.set_content(plain(message, footer), cte="base64")
    html = HTML.get_template("mail.html").render(message=message, footer=footer)
    mail.add_alternative(html, subtype="html", cte="base64")
    return mail


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=text)
    except (ValueError, HeaderParseError, IndexError):  # the library's parser raises any of them
        raise ValueError(f"{text!r} is not an address") from None


def plain(message: Message, footer: str) -> str:
    """Write the same content as plain text."""
    facts = "\n".join(f"{fact.label}: {fact.value}" for fact in message.facts)
    lines = "\n".join(f"- {line.text}" + (f"\n  {line.link.url}" if line.link else "") for line in message.lines)
    buttons = "\n".join(f"{button.label}: {button.url}" for button in message.buttons)
    parts = (
        message.title,
        facts,
        f"{message.lines_label}:\n{lines}",
        f"{message.next_step.label}:\n{message.next_step.value}",
        buttons,
        "\n".join(message.notes),
        f"-- \n{footer}",
    )
    return "\n\n".join(part for part in parts if part) + "\n"
