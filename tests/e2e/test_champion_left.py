"""A champion leaves: the owner hears of it in time, in their language, once, and can answer by the link that came."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.story import event, left, new_account, owner, thriving
from tests.plugins.e2e import eventually

if TYPE_CHECKING:
    from tests.plugins.e2e import Deployment

PROMISED = timedelta(seconds=5)
SETTLED_SECONDS = 15
"""An event may reach the log five seconds after its receipt, so nobody can be sure of the present any sooner."""
RENEWAL = datetime.now(UTC).date() + timedelta(days=250)
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
SAID = {
    "en": {
        "what": "champion has left",
        "evidence": "Somebody reported that the person has left.",
        "stake": "MRR at stake USD 1,200.00 a month",
        "renewal": "Renewal {day.day} {day:%B} {day.year}",
        "step": "Nobody else with a say is known: have a manager call",
        "recorded": "Recorded. Thank you.",
        "already": "This had already been recorded.",
    },
    "ja": {
        "what": "推進担当者が離任しました",
        "evidence": "退職または異動したとの報告がありました。",
        "stake": "影響するMRR 月額 1,200.00 USD",
        "renewal": "更新日 {day.year}年{day.month}月{day.day}日",
        "step": "2日以内に上長から先方の責任者へ連絡してください。",
        "recorded": "記録しました。",
        "already": "すでに記録されています。",
    },
}


@pytest.mark.parametrize("locale", ["en", "ja"])
def test_the_owner_hears_of_it_once_and_answers_once(deployment: Deployment, locale: str) -> None:
    account, person = new_account(), owner(f"{locale}-XX")
    deployment.post(thriving(account, person, RENEWAL))
    moment, before = score_then(deployment, account)
    news = left(account)
    acknowledged = deployment.post([news])
    messages = eventually(partial(both_messages, deployment, account), 30)
    for channel, message in messages.items():
        took = datetime.fromisoformat(message["received_at"]) - acknowledged
        assert took <= PROMISED, f"{channel} after {took}"
        says_everything(readable(message), locale)
    assert (messages["slack"]["to"], messages["email"]["to"]) == (person["slack_id"], person["email"])
    posted_again(deployment, account, news)
    remembers_what_it_knew(deployment, account, moment, before)
    links_act_once(deployment, account, messages, person["id"], SAID[locale])


def score_then(deployment: Deployment, account: str) -> tuple[str, bytes]:
    """Wait until everything is known and nothing happens any more; return that moment and the answer about it."""

    def known() -> bool:
        found = deployment.ask("health", f"/v1/accounts/{account}/health")
        return found.is_success and len(found.json()["components"]) >= 4 and deployment.at_rest()

    eventually(known, 60)
    assert deployment.messages(account) == []
    moment = datetime.now(UTC).isoformat()

    def settled() -> bytes | None:
        answer = deployment.ask("health", f"/v1/accounts/{account}/health", as_of=moment, known_at=moment)
        return None if answer.json().get("provisional") else answer.content

    return moment, eventually(settled, SETTLED_SECONDS)


def both_messages(deployment: Deployment, account: str) -> dict[str, dict[str, Any]] | None:
    found = {message["channel"]: message for message in deployment.messages(account)}
    return found if len(found) == 2 else None


def says_everything(text: str, locale: str) -> None:
    for part in ("what", "evidence", "stake", "renewal", "step"):
        wanted = SAID[locale][part].format(day=RENEWAL)
        assert wanted in text, f"{part}: {wanted!r} is not in {text}"
    assert bool(JAPANESE.search(text)) == (locale == "ja")


def readable(message: dict[str, Any]) -> str:
    """Return what a person reads: the texts of all blocks, or the mail without its markup, in single spaces."""
    if message["channel"] == "slack":
        header = next(block for block in message["blocks"] if block["type"] == "header")
        texts = [header["text"]["text"], *(text for block in message["blocks"] for text in texts_of(block))]
        found = " ".join(texts).replace("*", "")
    else:
        body = re.sub(r"<(head|style).*?</\1>", " ", message["html"], flags=re.DOTALL)
        found = html.unescape(re.sub(r"<[^>]+>", " ", body))
    return " ".join(found.split())


def texts_of(block: Any) -> list[str]:
    if isinstance(block, dict):
        own = [block["text"]] if isinstance(block.get("text"), str) else []
        return own + [text for value in block.values() for text in texts_of(value)]
    return [text for each in block for text in texts_of(each)] if isinstance(block, list) else []


def posted_again(deployment: Deployment, account: str, news: dict[str, Any]) -> None:
    """A repetition is absorbed, as the event behind it shows, and leads to nothing."""
    behind = event("account.profiled", account, {"industry": "machines"})
    deployment.post([news, behind])
    eventually(lambda: deployment.counted("health", behind) and deployment.counted("alerts", behind), 30)
    eventually(deployment.at_rest, 30)
    assert len(deployment.messages(account)) == 2


def remembers_what_it_knew(deployment: Deployment, account: str, moment: str, before: bytes) -> None:
    path = f"/v1/accounts/{account}/health"
    assert deployment.ask("health", path, as_of=moment, known_at=moment).content == before
    now = deployment.get("health", path)
    was = deployment.ask("health", path, as_of=moment, known_at=moment).json()
    assert was["gates"] == []
    assert was["score"] > now["score"] == 60
    assert [gate["gate"] for gate in now["gates"]] == ["champion_left"]


def links_act_once(
    deployment: Deployment, account: str, messages: dict[str, Any], person: str, said: dict[str, str]
) -> None:
    found = {channel: links(message) for channel, message in messages.items()}
    assert [len(each) for each in found.values()] == [5, 5], "acknowledge, and four verdicts"
    for link in (link for each in found.values() for link in each):
        for method in ("HEAD", "GET", "GET"):
            assert deployment.http.request(method, link).status_code < 500
    alert = only_alert(deployment, account)
    assert (alert["state"], [step["what"] for step in alert["history"]]) == ("open", ["raised"])
    acknowledge, same_in_mail = (each[0] for each in (found["slack"], found["email"]))
    assert said["recorded"] in deployment.http.post(acknowledge).text
    for again in (acknowledge, same_in_mail):
        assert said["already"] in deployment.http.post(again).text
    alert = only_alert(deployment, account)
    assert alert["state"] == "acknowledged"
    assert [(step["what"], step.get("actor")) for step in alert["history"][1:]] == [("acknowledged", person)]


def links(message: dict[str, Any]) -> list[str]:
    if message["channel"] == "email":
        return [html.unescape(link) for link in re.findall(r'href="([^"]+/a/[^"]+)"', message["html"])]
    actions = [block["elements"] for block in message["blocks"] if block["type"] == "actions"]
    return [button["url"] for elements in actions for button in elements]


def only_alert(deployment: Deployment, account: str) -> dict[str, Any]:
    (listed,) = deployment.get("alerts", "/v1/alerts", account=account)["items"]
    assert {each["channel"]: each["state"] for each in listed["deliveries"]} == {"slack": "sent", "email": "sent"}
    assert all(each["attempts"] == 1 for each in listed["deliveries"])
    alert: dict[str, Any] = deployment.get("alerts", f"/v1/alerts/{listed['id']}")
    return alert
