"""The page shows both kinds of message as they look, and runs nothing that came with them."""

import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deploy.local.ports import HOST
from deploy.local.processes import wait_for
from tests.plugins.inbox import LocalInbox, serving

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'
URL = "https://kizuna.example/ack?a=1&b=2"


class Seen(HTMLParser):
    """Collects elements and text as a browser would."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def own_inbox(tmp_path: Path) -> Iterator[LocalInbox]:
    with serving(tmp_path) as inbox:
        yield inbox


def post(inbox: LocalInbox, *blocks: object, text: str = "hello") -> None:
    message = {"channel": "U0HANA", "text": text, "blocks": blocks}
    answer = inbox.http.post("/api/chat.postMessage", json=message, headers={"Authorization": f"Bearer {inbox.token}"})
    assert answer.json()["ok"] is True, answer.text


def send(inbox: LocalInbox, html: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@vendor.example", "b@vendor.example", f"Hello {EVIL}"
    message.set_content(f"text {EVIL}")
    message.add_alternative(html, subtype="html")
    with smtplib.SMTP(inbox.smtp_host, inbox.smtp_port) as server:
        server.send_message(message)


def see(inbox: LocalInbox) -> Seen:
    return Seen(inbox.http.get("/").raise_for_status().text)


def test_blocks_are_shown_as_they_look(inbox: LocalInbox) -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "Acknowledge"}, "url": URL, "style": "primary"}
    post(
        inbox,
        {"type": "header", "text": {"type": "plain_text", "text": "Champion left"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "*Kenji* left"},
            "fields": [{"type": "mrkdwn", "text": "MRR\n$1,620"}],
            "accessory": {"type": "button", "text": {"type": "plain_text", "text": "No link"}},
        },
        {"type": "divider"},
        {"type": "actions", "elements": [button]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "since _Monday_"}]},
        {"type": "image", "image_url": URL, "alt_text": "usage curve"},
    )
    page = see(inbox)
    for text in ("Champion left", "Kenji", "$1,620", "No link", "Monday", "usage curve", "U0HANA"):
        assert text in page.text
    [link] = page.all("a")
    assert (link["href"], link["class"]) == (URL, "button primary")
    assert page.all("img") == []  # nothing is loaded from elsewhere


def test_nothing_that_was_sent_becomes_mark_up(inbox: LocalInbox) -> None:
    post(inbox, {"type": "section", "text": {"type": "plain_text", "text": EVIL}}, text=EVIL)
    send(inbox, f"<p>{EVIL}</p>")
    page = see(inbox)
    [script] = page.all("script")
    assert script["nonce"]
    assert page.all("img") == []
    [frame] = page.all("iframe")
    assert EVIL in (frame["srcdoc"] or "")
    assert "allow-scripts" not in (frame["sandbox"] or "allow-scripts")
    assert page.text.count(f"Hello {EVIL}") == 2  # subject and headers, as text
    assert not {name for _, attributes in page.elements for name in attributes if name.startswith("on")}


def test_the_page_allows_no_foreign_resource(inbox: LocalInbox) -> None:
    answer = inbox.http.get("/")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert not [
        source for sources in policy.values() for source in sources.split() if "http" in source or "*" in source
    ]
    assert 'name="viewport"' in answer.text


def test_the_page_tells_when_it_would_look_different(inbox: LocalInbox) -> None:
    before = inbox.http.head("/").headers["ETag"]
    assert inbox.http.head("/").headers["ETag"] == before
    post(inbox)
    assert inbox.http.head("/").headers["ETag"] != before


def test_health_and_unknown_paths(inbox: LocalInbox) -> None:
    assert [inbox.http.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]
    answer = inbox.http.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_polite_signal_ends_it_within_two_seconds(own_inbox: LocalInbox) -> None:
    own_inbox.faults(slack=["hang"], smtp=["hang"])
    body = b'{"channel":"C01","text":"x"}'
    head = f"POST /api/chat.postMessage HTTP/1.1\r\nHost: inbox\r\nAuthorization: Bearer {own_inbox.token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with (
        socket.create_connection((HOST, own_inbox.port)) as slack,
        socket.create_connection((HOST, own_inbox.smtp_port)) as mail,
    ):
        slack.sendall(head.encode() + body)
        mail.sendall(b"EHLO test\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\n")
        assert wait_for(lambda: own_inbox.http.get("/faults").json() == {"slack": [], "smtp": []}, 5)
        started = time.monotonic()
        assert own_inbox.process.stop_signal is signal.SIGTERM
        assert own_inbox.process.stop() is True
        assert time.monotonic() - started < 2
        assert slack.recv(100) == b""
    log = own_inbox.process.log.read_text()
    assert "Traceback" not in log, log


def test_it_exits_with_zero(own_inbox: LocalInbox) -> None:
    pid = own_inbox.process.pid()
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_taken_port_is_told_with_the_remedy(inbox: LocalInbox) -> None:
    environment = {"KIZUNA_INBOX_PORT": "0", "KIZUNA_SMTP_PORT": str(inbox.smtp_port)}
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "deploy.local.inbox"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "KIZUNA_SMTP_PORT" in ended.stderr


def test_it_listens_on_loopback_alone(inbox: LocalInbox) -> None:
    with socket.create_connection((HOST, inbox.port)):
        pass
    listening = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
    assert f"00000000:{inbox.port:04X}" not in listening
