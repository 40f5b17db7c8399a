"""Owns how Slack's mrkdwn looks: text with its small mark-up becomes HTML in which everything else is escaped."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from markupsafe import Markup

SAFE: Final = ("https://", "http://", "mailto:")


def mrkdwn(text: str) -> Markup:
    """Return the HTML of a mrkdwn text: bold, italic, strike, code, quotes, links, mentions and line breaks."""
    kept: list[str] = []

    def keep(html: str) -> str:
        kept.append(html)
        return f"{_OPEN}{len(kept) - 1}{_CLOSE}"

    text = text.translate(_NO_MARKS)
    text = _FENCE.sub(lambda m: keep(f"<pre>{_plain(m[1])}</pre>"), text)
    text = _CODE.sub(lambda m: keep(f"<code>{_plain(m[1])}</code>"), text)
    text = _REFERENCE.sub(lambda m: keep(_reference(m[1])), text)
    html = _quoted(_plain(text))
    for pattern, tag in _STYLES:
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    # What is kept may lie within kept text (a link in a fence), never the other way round.
    for index in reversed(range(len(kept))):
        html = html.replace(f"{_OPEN}{index}{_CLOSE}", kept[index])
    return Markup(html.replace("\n", "<br>"))  # noqa: S704 - every piece of text above went through _plain or escape


def plain(text: str) -> Markup:
    """Return the HTML of a plain text."""
    return Markup("<br>").join(text.split("\n"))


def safe_link(url: object) -> str | None:
    """Return a URL that may be followed from the page, or None."""
    return url if isinstance(url, str) and url.lower().startswith(SAFE) else None


def _plain(text: str) -> str:
    """Escape for HTML what may have been escaped for Slack (it knows three entities only)."""
    return escape(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def _reference(inside: str) -> str:
    target, _, label = inside.partition("|")
    if target[:1] in {"@", "#", "!"}:
        shown = label or target.lstrip("!").partition("^")[0]
        return f'<span class="mention">{_plain("@" + shown if target[0] == "!" else shown)}</span>'
    url = safe_link(target.replace("&amp;", "&"))
    if url is None:
        return _plain(label or target)
    return f'<a href="{escape(url)}" target="_blank" rel="noreferrer noopener">{_plain(label or target)}</a>'


def _quoted(html: str) -> str:
    return _QUOTE.sub(lambda m: f"<blockquote>{m[0].replace('&gt; ', '').replace('&gt;', '')}</blockquote>", html)


_OPEN: Final = "\ue000"
_CLOSE: Final = "\ue001"
_NO_MARKS: Final = {ord(_OPEN): None, ord(_CLOSE): None}
_FENCE: Final = re.compile(r"```\n?(.+?)\n?```", re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_REFERENCE: Final = re.compile(r"<([^<>\n]+)>")
_QUOTE: Final = re.compile(r"^&gt;.*(?:\n&gt;.*)*", re.MULTILINE)
_STYLES: Final = tuple(
    (re.compile(rf"(?<![\w{mark}]){mark}(?=\S)([^{mark}\n]+?)(?<=\S){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "strong"), ("_", "em"), ("~", "s"))
)
