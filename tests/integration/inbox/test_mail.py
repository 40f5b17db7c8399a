"""The mail server, spoken to as alerts do and as any mail program does."""

import smtplib
from email.message import EmailMessage

import aiosmtplib
import pytest

from tests.plugins.inbox import LocalInbox

HTML = "<!doctype html><html><body><h1>推進者</h1></body></html>"


def mail(number: int = 0) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Kizuna <kizuna@vendor.example>"
    message["To"] = "Hana <hana@vendor.example>"
    message["Subject"] = "推進者が退職しました"
    message["Message-ID"] = f"<delivery-{number}@vendor.example>"
    message["X-Kizuna-Account"] = "acct-1"
    message.set_content("本文\n.one dot\n")
    message.add_alternative(HTML, subtype="html")
    return message


async def send(inbox: LocalInbox, message: EmailMessage, timeout: float = 10) -> None:  # noqa: ASYNC109 - the client's own
    await aiosmtplib.send(message, hostname=inbox.smtp_host, port=inbox.smtp_port, timeout=timeout)


async def test_a_mail_arrives_for_its_account(inbox: LocalInbox) -> None:
    await send(inbox, mail())
    [item] = inbox.messages(channel="email", account="acct-1")
    assert item["to"] == "hana@vendor.example"
    assert item["subject"] == item["headers"]["Subject"] == "推進者が退職しました"
    assert item["from"] == "Kizuna <kizuna@vendor.example>"
    assert item["headers"]["Message-ID"] == "<delivery-0@vendor.example>"
    assert item["text"] == "本文\n.one dot\n"
    assert item["html"].strip() == HTML
    assert inbox.messages(channel="slack") == inbox.messages(account="acct-2") == []


async def test_a_summary_is_found_by_each_of_its_accounts(inbox: LocalInbox) -> None:
    message = mail()
    message["X-Kizuna-Account"] = "acct-2"
    await send(inbox, message)
    for account in ("acct-1", "acct-2"):
        [item] = inbox.messages(account=account)
        assert item["headers"]["X-Kizuna-Account"] == "acct-1, acct-2"


async def test_scripted_faults_come_one_per_mail(inbox: LocalInbox) -> None:
    inbox.faults(smtp=["451", "550", "drop_after_data"])
    for code in (451, 550):
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
            await send(inbox, mail(code))
        assert refused.value.recipients[0].code == code
    assert inbox.messages() == []
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(inbox, mail(3))
    await send(inbox, mail(4))
    assert [item["headers"]["Message-ID"] for item in inbox.messages()] == [
        "<delivery-3@vendor.example>",  # dropped after it was accepted
        "<delivery-4@vendor.example>",
    ]


async def test_a_hang_ends_when_the_client_has_had_enough(inbox: LocalInbox) -> None:
    inbox.faults(smtp=["hang"])
    with pytest.raises(aiosmtplib.SMTPReadTimeoutError):
        await send(inbox, mail(), timeout=0.5)
    await send(inbox, mail(1))
    assert len(inbox.messages()) == 1


def test_several_mails_over_one_connection(inbox: LocalInbox) -> None:
    inbox.faults(smtp=["451"])
    with smtplib.SMTP(inbox.smtp_host, inbox.smtp_port) as server:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            server.send_message(mail(0))
        for number in (1, 2):
            server.send_message(mail(number))
    assert len(inbox.messages()) == 2


def test_what_is_no_proper_mail_is_kept_as_it_came(inbox: LocalInbox) -> None:
    broken = b"Subject: =?x-unknown?q?=FF?=\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\n\xff\xfe"
    with smtplib.SMTP(inbox.smtp_host, inbox.smtp_port) as server:
        server.sendmail("a@vendor.example", ["b@vendor.example"], broken)
        server.sendmail("a@vendor.example", ["b@vendor.example"], b"")
    assert [item["to"] for item in inbox.messages()] == ["b@vendor.example"] * 2


def test_a_mail_over_a_mebibyte_is_refused(inbox: LocalInbox) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "a@vendor.example", "b@vendor.example"
    message.set_content("x\n" * 600_000)
    with smtplib.SMTP(inbox.smtp_host, inbox.smtp_port) as server, pytest.raises(smtplib.SMTPResponseException) as big:
        server.send_message(message)
    assert big.value.smtp_code == 552
    assert inbox.messages() == []
