"""The Slack stand-in over HTTP: what it takes, what it refuses, how it fails when told to."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.plugins.inbox import LocalInbox

METADATA = {"event_type": "kizuna_alert", "event_payload": {"account_id": "acct-1", "delivery_id": "d-1"}}
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Kenji* left"}}]


class Client:
    """Calls the Web API as an app does."""

    def __init__(self, inbox: LocalInbox) -> None:
        headers = {"Authorization": f"Bearer {inbox.token}"}
        self.http = httpx.Client(base_url=inbox.slack_url, headers=headers, timeout=10)

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        answer = self.http.post(method, json=arguments)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    def refusal(self, method: str, **arguments: Any) -> str:
        answer = self.call(method, **arguments)
        assert answer["ok"] is False
        return str(answer["error"])


@pytest.fixture
def slack(inbox: LocalInbox) -> Iterator[Client]:
    client = Client(inbox)
    yield client
    client.http.close()


def test_a_message_arrives_for_its_account(inbox: LocalInbox, slack: Client) -> None:
    answer = slack.call("chat.postMessage", channel="U0HANA", text="Kenji left", blocks=BLOCKS, metadata=METADATA)
    assert answer["ok"] is True
    assert answer["channel"].startswith("D")
    assert answer["message"]["metadata"] == METADATA
    [item] = inbox.messages(channel="slack", account="acct-1")
    assert (item["to"], item["text"], item["blocks"], item["ts"]) == ("U0HANA", "Kenji left", BLOCKS, answer["ts"])
    assert item["received_at"].endswith("+00:00")
    assert item["headers"] == {}
    assert inbox.messages(channel="email") == inbox.messages(account="acct-2") == []
    assert inbox.http.delete("/messages").status_code == 204
    assert inbox.messages() == []


def test_a_summary_is_found_by_each_of_its_accounts(inbox: LocalInbox, slack: Client) -> None:
    payload = {"account_id": "acct-1", "account_ids": ["acct-1", "acct-2"]}
    metadata = {"event_type": "kizuna_summary", "event_payload": payload}
    assert slack.call("chat.postMessage", channel="C01", text="two accounts", metadata=metadata)["ok"] is True
    for account in payload["account_ids"]:
        [item] = inbox.messages(account=account)
        assert item["account_ids"] == ["acct-1", "acct-2"]


def test_forms_are_read_like_json(inbox: LocalInbox, slack: Client) -> None:
    form = {"channel": "#team", "text": "hi", "blocks": '[{"type":"divider"}]', "metadata": '{"event_type":"x",'
            '"event_payload":{"account_id":"acct-1"}}'}  # fmt: skip
    assert slack.http.post("chat.postMessage", data=form).json()["ok"] is True
    [item] = inbox.messages(account="acct-1")
    assert item["blocks"] == [{"type": "divider"}]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "not_authed"),
        ({"Authorization": "Bearer xoxp-1"}, "invalid_auth"),
        ({"Authorization": "Basic xoxb-1"}, "invalid_auth"),
        ({"Authorization": "Bearer xoxb-"}, "invalid_auth"),
    ],
)
def test_a_bot_token_is_needed(inbox: LocalInbox, headers: dict[str, str], error: str) -> None:
    answer = inbox.http.post("/api/auth.test", headers=headers).json()
    assert answer == {"ok": False, "error": error}


def test_refusals_have_slacks_names(slack: Client) -> None:
    post = "chat.postMessage"
    assert slack.refusal(post, channel="sales", text="x") == "channel_not_found"
    assert slack.refusal(post, text="x") == "channel_not_found"
    assert slack.refusal(post, channel="C00", text=" ") == "no_text"
    assert slack.refusal(post, channel="C01", blocks=BLOCKS) == "no_text"
    assert slack.refusal(post, channel="C02", text="x" * 40_001) == "msg_too_long"
    assert slack.refusal(post, channel="C03", text="x", blocks="[") == "invalid_blocks_format"
    assert slack.refusal(post, channel="C04", text="x", metadata={"event_type": 1}) == "invalid_metadata_format"
    long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5
    assert slack.refusal(post, channel="C05", text="x", blocks=long) == "msg_blocks_too_long"
    assert slack.refusal("chat.update", channel="C06", text="x", ts="1.1") == "message_not_found"
    assert slack.refusal("chat.scream", channel="C07") == "unknown_method"
    assert slack.refusal("conversations.open", users="hana") == "user_not_found"
    assert slack.refusal("conversations.open") == "users_list_not_supplied"
    assert slack.refusal("conversations.history", channel="U0HANA") == "channel_not_found"
    assert slack.refusal("conversations.history", channel="C08", limit=0) == "invalid_limit"
    assert slack.refusal("conversations.history", channel="C08", oldest="x") == "invalid_arguments"
    assert slack.refusal("users.lookupByEmail", email="hana@vendor.example") == "invalid_arguments"


def test_bodies_that_are_no_arguments(inbox: LocalInbox, slack: Client) -> None:
    json = {"Content-Type": "application/json"}
    for content, headers, error in (
        (b"{", json, "invalid_json"),
        (b"[" * 5000, json, "invalid_json"),
        (b"\xff", json, "invalid_json"),
        (b"[]", json, "json_not_object"),
        (b"\xff=1", {"Content-Type": "application/x-www-form-urlencoded"}, "invalid_form_data"),
        (b"x", {"Content-Type": "text/csv"}, "invalid_post_type"),
        (b"x" * (1024 * 1024 + 1), json, "request_too_large"),
    ):
        assert slack.http.post("chat.postMessage", content=content, headers=headers).json()["error"] == error
    assert inbox.messages() == []


def test_invalid_blocks_name_the_place(slack: Client) -> None:
    answer = slack.call("chat.postMessage", channel="C01", text="x", blocks=[*BLOCKS, {"type": "header"}])
    assert answer["error"] == "invalid_blocks"
    [message] = answer["response_metadata"]["messages"]
    assert message == "[ERROR] missing required field: text [json-pointer:/blocks/1]"


def test_one_message_a_second_and_channel(inbox: LocalInbox, slack: Client) -> None:
    message = {"channel": "C01", "text": "x"}
    assert slack.http.post("chat.postMessage", json=message).status_code == 200
    limited = slack.http.post("chat.postMessage", json=message)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "1")
    assert limited.json() == {"ok": False, "error": "ratelimited"}
    assert slack.http.post("chat.postMessage", json={"channel": "C02", "text": "x"}).status_code == 200
    assert inbox.violations() == []
    assert slack.http.post("chat.postMessage", json=message).status_code == 429
    [violation] = inbox.violations()
    assert violation["channel_id"] == "C01"
    assert 0 < violation["early"] <= 1
    assert len(inbox.messages()) == 2


def test_update_changes_the_message_in_place(inbox: LocalInbox, slack: Client) -> None:
    first = slack.call("chat.postMessage", channel="U0HANA", text="open", metadata=METADATA)
    answer = slack.call("chat.update", channel=first["channel"], ts=first["ts"], text="acknowledged", blocks=BLOCKS)
    assert (answer["ok"], answer["text"], answer["ts"]) == (True, "acknowledged", first["ts"])
    [item] = inbox.messages(account="acct-1")
    assert (item["text"], item["blocks"]) == ("acknowledged", BLOCKS)
    assert "edited_at" in item


def test_history_finds_what_was_posted(slack: Client) -> None:
    opened = slack.call("conversations.open", users="U0HANA")["channel"]["id"]
    posted = slack.call("chat.postMessage", channel="U0HANA", text="x", metadata=METADATA)
    assert posted["channel"] == opened
    with_it = slack.http.get("conversations.history", params={"channel": opened, "include_all_metadata": "true"}).json()
    assert [m["metadata"] for m in with_it["messages"]] == [METADATA]
    without = slack.call("conversations.history", channel=opened)
    assert "metadata" not in without["messages"][0]
    assert slack.call("conversations.history", channel=opened, oldest=posted["ts"])["messages"] == []
    inclusive = slack.call("conversations.history", channel=opened, oldest=posted["ts"], inclusive=True)
    assert len(inclusive["messages"]) == 1


def test_people_are_found_by_address(slack: Client) -> None:
    found = slack.http.get("users.lookupByEmail", params={"email": "hana@vendor.example"}).json()
    assert found["user"]["id"].startswith("U")
    again = slack.http.post("users.lookupByEmail", data={"email": "Hana@vendor.example"}).json()
    assert again["user"]["id"] == found["user"]["id"]
    assert slack.http.get("users.lookupByEmail", params={"email": "nobody@vendor.example"}).json() == {
        "ok": False,
        "error": "users_not_found",
    }


def test_scripted_answers_come_in_order(inbox: LocalInbox, slack: Client) -> None:
    inbox.faults(slack=["500", "429:2", "error:is_archived"])
    assert slack.call("auth.test")["ok"] is True  # reading takes no fault
    message = {"channel": "C01", "text": "x"}
    assert slack.http.post("chat.postMessage", json=message).status_code == 500
    limited = slack.http.post("chat.postMessage", json=message)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "2")
    assert slack.refusal("chat.postMessage", **message) == "is_archived"
    early = slack.http.post("chat.postMessage", json=message)
    assert early.status_code == 429
    assert len(inbox.violations()) == 1
    assert inbox.messages() == []
    assert inbox.http.get("/faults").json() == {"slack": [], "smtp": []}


def test_a_reset_may_hide_that_the_message_arrived(inbox: LocalInbox, slack: Client) -> None:
    inbox.faults(slack=["reset_after_accept", "reset"])
    for channel in ("C01", "C02"):
        with pytest.raises(httpx.RemoteProtocolError):
            slack.call("chat.postMessage", channel=channel, text="x")
    assert [item["to"] for item in inbox.messages()] == ["C01"]


def test_a_hang_ends_when_the_client_has_had_enough(inbox: LocalInbox, slack: Client) -> None:
    inbox.faults(slack=["hang"])
    with pytest.raises(httpx.ReadTimeout):
        slack.http.post("chat.postMessage", json={"channel": "C01", "text": "x"}, timeout=0.3)
    assert slack.call("chat.postMessage", channel="C01", text="x")["ok"] is True
    assert len(inbox.messages()) == 1


def test_timestamps_are_unique_and_rising(slack: Client) -> None:
    stamps = [slack.call("chat.postMessage", channel=f"C0{i}", text="x")["ts"] for i in range(20)]
    assert stamps == sorted(set(stamps))
    assert abs(float(stamps[0]) - time.time()) < 60


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"slack":["200"]}', b'{"fax":[]}'])
def test_a_script_that_cannot_be_played_is_refused(inbox: LocalInbox, body: bytes) -> None:
    answer = inbox.http.put("/faults", content=body)
    assert answer.status_code == 400
    assert answer.json().keys() == {"code", "message"}
