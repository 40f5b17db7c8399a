"""Owns the page that shows Slack messages and mails as their readers would see them."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from deploy.local.inbox.mrkdwn import mrkdwn, plain, safe_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.local.inbox.mailbox import Message

SHOWN: Final = 100


def page(messages: Sequence[Message], version: int) -> Response:
    """Return the page with the last hundred messages, newest first. Nothing on it is loaded from elsewhere."""
    nonce = secrets.token_urlsafe(16)
    newest = list(reversed(messages[-SHOWN:]))
    html = _TEMPLATE.render(messages=newest, hidden=len(messages) - len(newest), nonce=nonce)
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": policy, "ETag": f'"{version}"', **_HEADERS})


_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_ENVIRONMENT.filters |= {"mrkdwn": mrkdwn, "plain": plain, "safe_link": safe_link}
_TEMPLATE: Final = _ENVIRONMENT.get_template("inbox.html")
