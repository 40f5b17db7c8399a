"""mrkdwn looks as in Slack, and nothing that somebody wrote becomes mark-up of the page."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.inbox.mrkdwn import mrkdwn, plain, safe_link

LOOKS = {
    "*bold* and _italic_ and ~gone~": "<strong>bold</strong> and <em>italic</em> and <s>gone</s>",
    "*bold _and italic_*": "<strong>bold <em>and italic</em></strong>",
    "2*3*4 snake_case_name": "2*3*4 snake_case_name",
    "* not bold *": "* not bold *",
    "*one\ntwo*": "*one<br>two*",
    "`*code*`": "<code>*code*</code>",
    "```\na < b\n```": "<pre>a &lt; b</pre>",
    "a &lt;b&gt; &amp;amp; c": "a &lt;b&gt; &amp;amp; c",
    "<b>raw</b>": "braw/b",
    "> one\n> two\nthree": "<blockquote>one<br>two</blockquote><br>three",
    "<!channel> <@U1|hana> <#C1>": (
        '<span class="mention">@channel</span> <span class="mention">hana</span> <span class="mention">#C1</span>'
    ),
    "<https://a.example/?x=1&amp;y=2|*See*>": (
        '<a href="https://a.example/?x=1&amp;y=2" target="_blank" rel="noreferrer noopener">*See*</a>'
    ),
    "*<https://a.example|A>*": (
        '<strong><a href="https://a.example" target="_blank" rel="noreferrer noopener">A</a></strong>'
    ),
    "<javascript:alert(1)|click>": "click",
    'say "hi"': "say &quot;hi&quot;",
}
ALLOWED = {"strong", "em", "s", "code", "pre", "br", "a", "span", "blockquote"}


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize(("text", "html"), LOOKS.items())
def test_it_looks_as_in_slack(text: str, html: str) -> None:
    assert mrkdwn(text) == html


HOSTILE = st.text() | st.lists(
    st.sampled_from(
        ["<", ">", "&lt;", "&", "*", "_", "~", "`", "```", "|", "\n", "> ", '"', "'", "<script>", "\ue0000\ue001", "!",
         "https://a.example", "javascript:", "<https://a|b>", "onload=", "x"]
    )
).map("".join)  # fmt: skip


@given(HOSTILE)
def test_nothing_but_slacks_own_mark_up_comes_out(text: str) -> None:
    parser = Tags()
    parser.feed(mrkdwn(text))
    for tag, attributes in parser.tags:
        assert tag in ALLOWED
        assert attributes.keys() <= ({"href", "target", "rel"} if tag == "a" else {"class"})
        assert tag != "a" or safe_link(attributes["href"])


@given(HOSTILE)
def test_no_mark_of_the_inner_workings_remains(text: str) -> None:
    assert not re.search("[\ue000\ue001]", mrkdwn(text))


@given(st.text())
def test_plain_text_has_line_breaks_and_no_mark_up(text: str) -> None:
    parser = Tags()
    parser.feed(plain(text))
    assert [tag for tag, _ in parser.tags] == ["br"] * text.count("\n")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "//a.example", "", None, 7])
def test_only_web_and_mail_links_can_be_followed(url: object) -> None:
    assert safe_link(url) is None
