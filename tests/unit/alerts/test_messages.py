"""Messages: the same facts in every shape and language, whatever names customers give themselves."""

import re
from datetime import date, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from deploy.local.inbox.blockkit import faults_of, too_long
from services.alerts.channel import Reference
from services.alerts.channels import blocks
from services.alerts.channels.mail import compose
from services.alerts.content import Topic, Writer
from services.alerts.directory import Account
from services.alerts.episode import Said, fold
from services.alerts.links import Links
from services.alerts.message import Message, one_line
from services.alerts.routing import Recipient
from services.alerts.templates import LANGUAGES, words_for
from shared.events import Text
from tests.unit.alerts.saying import JANE, START, evidence, signal

WRITER = Writer(Links("a secret of the tests", "https://kizuna.example"), ZoneInfo("UTC"))
NAMES = (
    *("<!channel>", "<@U123|x>", "<https://evil.example|log in>", "&lt;", "*_~`", "\r\nBcc: all@x", "x" * 10_000),
    *("\u202eevil", "{count}", "{{ 7*7 }}", "<script>alert(1)</script>", "@here", "a\x00b", "\u2028", "", "😀" * 5000),
)
HOSTILE = st.one_of(st.text(max_size=400), st.sampled_from(NAMES))
LANGUAGE = st.sampled_from(sorted(LANGUAGES))


def to(language: str, zone: str | None = "Asia/Tokyo", tier: str = "csm") -> Recipient:
    return Recipient(tier, "jane", "slack", "U1", language, zone)


def topic(name: str = "Acme", text: str = "Ken has left.", **more: Any) -> Topic:
    missing = more.pop("missing", ())
    mrr = more.pop("mrr", {"USD": Decimal(1200)})
    given: dict[str, Any] = {"evidence": [evidence(en=text, ja=text)], "next_step": Text(en=text, ja=text)} | more
    account = Account(name, name, renewal_on=date(2026, 9, 30), owners={"csm": JANE}, mrr=mrr)
    said = [Said("opened", signal(**given), START, "1")]
    return Topic(fold("acme", said, [])[0], account, ("d" * 32, START), missing)


class Reader(HTMLParser):
    """What a person would see, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)


def mailed(message: Message, account_id: str = "acme") -> EmailMessage:
    mail = compose(message, "kizuna@localhost", JANE.email, Reference("d1", (account_id,)))
    return message_from_bytes(mail.as_bytes(policy=policy.SMTP), _class=EmailMessage, policy=policy.default)


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content())


@settings(deadline=None)
@given(LANGUAGE, HOSTILE, HOSTILE, st.integers(0, 60))
def test_slack_takes_whatever_customers_are_called(language: str, name: str, text: str, lines: int) -> None:
    many = [evidence(f"f{number}", text, text) for number in range(lines)]
    payload = blocks.render(WRITER.alert(topic(name, text, evidence=many), to(language), repeated=True))
    _is_harmless(payload)


@settings(deadline=None, max_examples=40)
@given(LANGUAGE, HOSTILE, st.integers(1, 200))
def test_slack_takes_summaries_of_any_length(language: str, name: str, count: int) -> None:
    message = WRITER.summary([topic(name) for _ in range(count)], to(language))
    payload = blocks.render(message)
    _is_harmless(payload)
    shown = str(payload).count("• ")
    left_out = LANGUAGES[language].more.format(count=count - shown)
    assert shown == count or left_out in str(payload), "what is left out is counted"


def _is_harmless(payload: dict[str, Any]) -> None:
    assert blocks.problems(payload) == []
    assert faults_of(payload["blocks"]) == [], "the stand-in is an independent judge"
    assert not too_long(payload["blocks"])
    for block in Block.parse_all(payload["blocks"]):
        block.validate_json()  # and so is Slack's own library
    texts = [payload["text"], *_mrkdwn(payload["blocks"])]
    for found in re.findall(r"<[^>]*>?", " ".join(texts)):
        assert found.startswith("<https://kizuna.example/a/"), found


def _mrkdwn(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for each in value for text in _mrkdwn(each)]
    if isinstance(value, dict):
        own = [value["text"]] if value.get("type") == "mrkdwn" else []
        return own + [text for each in value.values() if isinstance(each, dict | list) for text in _mrkdwn(each)]
    return []


@settings(deadline=None)
@given(LANGUAGE, HOSTILE, HOSTILE)
def test_mail_keeps_its_headers_and_its_tags_whatever_customers_are_called(language: str, name: str, text: str) -> None:
    message = WRITER.alert(topic(name, text), to(language))
    mail = mailed(message, account_id=one_line(name) or "acme")
    assert set(mail.keys()) <= {
        *("From", "To", "Subject", "Message-ID", "Auto-Submitted", "X-Kizuna-Account", "References"),
        *("MIME-Version", "Content-Type"),
    }
    reader = Reader()
    reader.feed(body(mail, "html"))
    assert "script" not in reader.tags
    for fact in message.facts:
        assert fact.value in reader.text
        assert fact.value in body(mail, "plain")
    assert message.lines[0].text in body(mail, "plain")


def test_mail_says_whose_it_is_and_keeps_its_name() -> None:
    mail = mailed(WRITER.alert(topic(), to("en")))
    assert mail["Message-ID"] == "<d1@localhost>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Kizuna-Account"] == "acme"
    assert mail["References"] == mailed(WRITER.alert(topic("Other name"), to("ja")))["References"]


@pytest.mark.parametrize("address", ["", "no address", "a@b\r\nBcc: c@d", "@", "a b@c"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        compose(WRITER.alert(topic(), to("en")), "kizuna@localhost", address, Reference("d1", ("acme",)))


def test_dates_and_amounts_read_as_in_each_language() -> None:
    english = {fact.label: fact.value for fact in WRITER.alert(topic(), to("en")).facts}
    assert english["Since"] == "2 March 2026 18:30 (Asia/Tokyo)"
    assert english["MRR at stake"] == "USD 1,200.00 a month"
    assert english["Renewal"] == "30 September 2026"
    japanese = {fact.label: fact.value for fact in WRITER.alert(topic(), to("ja", zone=None)).facts}
    assert japanese["発生日時"] == "2026年3月2日 09:30 (UTC)"
    assert japanese["影響するMRR"] == "月額 1,200.00 USD"


def test_an_unknown_zone_or_signal_keeps_nothing_back() -> None:
    message = WRITER.alert(topic(signal="seats_unused"), to("en", zone="Mars/Olympus"))
    assert message.title == "Acme: seats unused"
    assert message.facts[1].value.endswith("(UTC)")


def test_what_must_be_added_is_added() -> None:
    notes = WRITER.alert(topic(late=True, missing=("billing.v1",)), to("en", tier="manager"), repeated=True).notes
    assert len(notes) == 4
    assert any("billing.v1" in note for note in notes)


def test_every_action_has_its_own_link() -> None:
    buttons = WRITER.alert(topic(), to("en")).buttons
    assert [button.id for button in buttons] == ["acknowledge", "true", "false_alarm", "duplicate", "known"]
    claims = [WRITER.links.read(button.url.rpartition("/")[2], START + timedelta(1)) for button in buttons]
    assert [claim.action for claim in claims] == [button.id for button in buttons]
    assert {claim.person for claim in claims} == {"jane"}


def test_languages_have_the_same_words_with_the_same_places() -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    english = LANGUAGES["en"]
    for words in LANGUAGES.values():
        for name in (field for field in words.__slots__ if isinstance(getattr(words, field), str)):
            assert getattr(words, name).strip()
            assert places(getattr(words, name)) == places(getattr(english, name)), name
        for name in ("signals", "severities", "verdicts"):
            assert getattr(words, name).keys() == getattr(english, name).keys(), name


@pytest.mark.parametrize(
    ("locale", "language"), [("ja", "ja"), ("ja_JP", "ja"), ("JA-jp", "ja"), ("fr", "en"), (None, "en"), ("", "en")]
)
def test_locales_find_their_language(locale: str | None, language: str) -> None:
    assert words_for(locale).language == language


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_short_printable_line(text: str, limit: int) -> None:
    flat = one_line(text, limit)
    assert len(flat) <= limit
    assert len(flat.splitlines()) <= 1
    assert one_line(flat, limit) == flat


@settings(max_examples=40, deadline=None)
@given(LANGUAGE, HOSTILE, HOSTILE)
def test_the_person_it_is_about_is_named_harmlessly(language: str, name: str, job: str) -> None:
    message = WRITER.alert(topic(facts={"contact": name, "title": job}), to(language))
    first = message.facts[0]
    named = first.label == words_for(language).person
    assert named == bool(name or job)


def test_a_signal_about_nobody_names_nobody() -> None:
    message = WRITER.alert(topic(), to("en"))
    assert message.facts[0].label == words_for("en").severity
    named = WRITER.alert(topic(facts={"contact": "Ken Sato", "title": "CTO"}), to("ja"))
    assert (named.facts[0].label, named.facts[0].value) == ("対象者", "Ken Sato, CTO")


@pytest.mark.parametrize(
    ("language", "certain", "said", "likely"),
    [
        ("en", "no", "Acme: champion may have left", ("Probability", "74%")),
        ("en", "yes", "Acme: champion has left", ("Probability", "74%")),
        ("ja", "no", "Acme：推進担当者が離任した可能性があります", ("確度", "74%")),
        ("ja", "yes", "Acme：推進担当者が離任しました", ("確度", "74%")),
    ],
)
def test_a_suspicion_is_not_said_as_a_fact(language: str, certain: str, said: str, likely: tuple[str, str]) -> None:
    suspected = topic(facts={"contact": "Ken Sato", "probability": "0.74", "certain": certain})
    message = WRITER.alert(suspected, to(language))
    assert message.title == said
    assert likely in [(fact.label, fact.value) for fact in message.facts]
    assert said.partition("Acme")[2].strip(": ：") in WRITER.summary([suspected], to(language)).lines[0].text


@pytest.mark.parametrize("odd", ["", "high", "NaN", "-1", "74", "Infinity", True, 2.5, None])
def test_a_probability_that_is_none_is_not_said(odd: Any) -> None:
    labels = {fact.label for fact in WRITER.alert(topic(facts={"probability": odd}), to("en")).facts}
    assert "Probability" not in labels


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (("roi", "objective_measured"), {"en": "return is too low", "ja": "投資対効果が不足しています"}),
        (("objective_measured",), {"en": "value is behind its plan", "ja": "成果が計画を下回っています"}),
    ],
)
def test_low_roi_says_which_of_its_rules_holds(seen: tuple[str, ...], said: dict[str, str]) -> None:
    poor = topic(signal="low_roi", evidence=[evidence(each) for each in seen])
    for language, phrase in said.items():
        assert WRITER.alert(poor, to(language)).title.endswith(phrase)


@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        ("en", "1 alert is waiting for you", "2 alerts are waiting for you"),
        ("ja", "対応待ちのアラートが1件あります", "対応待ちのアラートが2件あります"),
    ],
)
def test_a_summary_counts_in_its_language(language: str, one: str, two: str) -> None:
    assert WRITER.summary([topic()], to(language)).title == one
    assert WRITER.summary([topic(), topic("B")], to(language)).title == two


def test_a_summary_in_one_currency_begins_with_the_most_at_stake() -> None:
    message = WRITER.summary(
        [
            topic("Small", severity="critical", mrr={"USD": Decimal(10)}),
            topic("None", severity="critical", mrr={"EUR": Decimal(0)}),
            topic("Large", severity="low", mrr={"USD": Decimal(20)}),
        ],
        to("en"),
    )
    assert [line.text.partition(":")[0] for line in message.lines] == ["Large", "Small", "None"]
    assert (message.lines_label, message.facts[1].value) == ("By MRR at stake", "USD 30.00 a month")
    assert message.next_step.value.endswith("it has the most at stake.")


@pytest.mark.parametrize(
    "amounts", [({"JPY": Decimal(90000)}, {"USD": Decimal(800)}), ({}, {}), ({"USD": Decimal(0)}, {})]
)
def test_a_summary_of_amounts_that_do_not_compare_begins_with_the_most_severe(amounts: tuple[Any, Any]) -> None:
    mild, grave = topic("Mild", severity="low", mrr=amounts[0]), topic("Grave", severity="high", mrr=amounts[1])
    message = WRITER.summary([mild, grave], to("en"))
    assert [line.text.partition(":")[0] for line in message.lines] == ["Grave", "Mild"]
    assert message.lines_label == "By severity"
    assert "most at stake" not in message.next_step.value


def test_nothing_paid_is_not_said_to_be_unknown() -> None:
    def said(mrr: dict[str, Decimal]) -> str:
        return {fact.label: fact.value for fact in WRITER.alert(topic(mrr=mrr), to("en")).facts}["MRR at stake"]

    assert said({"USD": Decimal(0)}) == "USD 0.00 a month"
    assert said({}) == "not known"
