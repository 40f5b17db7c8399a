"""What is judged of the messages about a signal: Slack is told once, a mail may come again where nobody could know."""

from typing import Any

import pytest

from tests.chaos.delivery.judge import MARK
from tests.chaos.judge import Verdict, judge
from tests.chaos.model import LEFT, Model
from tests.chaos.reading import IN, OUT, Found

SLACK, MAIL = "slack", "email"


def delivery(channel: str, attempts: int = 1) -> dict[str, Any]:
    repeated = attempts > 1
    return {"id": channel, "channel": channel, "state": "sent", "attempts": attempts, "repeated": repeated}


def message(channel: str, number: int, delivery_id: str = "") -> dict[str, Any]:
    """Return the n-th message that came of a delivery: the first one bears no mark."""
    name = delivery_id or channel
    said = {"channel": channel, "received_at": f"2026-01-01T00:00:{number:02d}Z", "text": MARK if number else "Hello"}
    if channel == SLACK:
        return said | {"metadata": {"event_payload": {"delivery_id": name}}}
    return said | {"headers": {"Message-ID": f"<{name}@kizuna>"}}


def verdict(slack: int = 1, mails: int = 1, attempts: int = 1, more: tuple[dict[str, Any], ...] = ()) -> Verdict:
    """Judge one account whose champion left, by what came of its two deliveries."""
    event = {"id": "a.000000", "subject": "a", "type": LEFT, "data": {}}
    came = [*(message(SLACK, n) for n in range(slack)), *(message(MAIL, n) for n in range(mails)), *more]
    topics: dict[str, dict[str, list[dict[str, Any]]]] = {topic: {} for topic in (*IN, *OUT)}
    topics["customer.v1"]["a"] = [event]
    topics["signals.v1"]["a"] = [{"id": "s", "type": "kizuna.signal.opened"}]
    topics["alerts.v1"]["a"] = [{"id": "r", "type": "kizuna.alert.raised"}]
    alert = {"signal": "champion_left", "deliveries": [delivery(SLACK, attempts), delivery(MAIL, attempts)]}
    found = Found(
        *({}, {}, {}, {"health": ["a.000000"]}, {}, {}, topics, {}),
        alerts={"a": [alert]},
        messages={"a": came[::-1]},
    )
    return judge(Model.of([event]), found)


def test_one_message_a_channel_is_right() -> None:
    assert verdict().examples() == []


@pytest.mark.parametrize("attempts", [1, 2, 20])
def test_slack_is_told_once_however_many_answers_were_unclear(attempts: int) -> None:
    assert verdict(slack=2, attempts=attempts).doubled[0] == "a: 2 messages by slack, 0 answers were unclear"
    assert verdict(attempts=attempts).spotless


def test_a_mail_may_come_again_for_each_answer_that_was_unclear() -> None:
    assert verdict(mails=3, attempts=3).spotless
    assert verdict(mails=4, attempts=3).doubled[0] == "a: 4 messages by email, 2 answers were unclear"
    assert verdict(mails=2).doubled[0] == "a: 2 messages by email, 0 answers were unclear"


def test_a_mail_that_comes_again_says_so() -> None:
    unmarked = message(MAIL, 1) | {"text": "Hello"}
    assert verdict(attempts=2, more=(unmarked,)).doubled == ["a: email came again without saying so"]


def test_a_message_of_no_delivery_is_one_too_many() -> None:
    assert "a: 1 messages belong to no delivery" in verdict(more=(message(MAIL, 1, "another"),)).doubled


def test_nothing_said_is_missing() -> None:
    assert verdict(slack=0).signals_missing == ["a: no message by slack"]
