"""The mailbox forgets the oldest, and plays its scripts in order."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.inbox.mailbox import KEPT, BadScript, Channel, Faults, Mailbox, Message


def message(number: int, channel: Channel = "email", account: str | None = None) -> Message:
    return Message(channel, "to", datetime(2025, 11, 10, tzinfo=UTC), str(number), (account,) if account else ())


def test_only_the_last_thousand_are_kept() -> None:
    mailbox = Mailbox()
    for number in range(KEPT + 5):
        mailbox.add(message(number))
    texts = [kept.text for kept in mailbox.select()]
    assert (len(texts), texts[0], texts[-1]) == (KEPT, "5", str(KEPT + 4))


def test_selection_by_channel_and_account() -> None:
    mailbox = Mailbox()
    for number, (channel, account) in enumerate([("slack", "a"), ("email", "a"), ("slack", "b"), ("slack", None)]):
        mailbox.add(message(number, "slack" if channel == "slack" else "email", account))
    assert [m.text for m in mailbox.select(channel="slack")] == ["0", "2", "3"]
    assert [m.text for m in mailbox.select(account="a")] == ["0", "1"]
    assert [m.text for m in mailbox.select("slack", "b")] == ["2"]


def test_every_change_makes_a_new_version() -> None:
    mailbox = Mailbox()
    versions = [mailbox.version]
    mailbox.add(message(1))
    versions.append(mailbox.version)
    for change in (mailbox.changed, mailbox.clear):
        change()
        versions.append(mailbox.version)
    assert len(set(versions)) == 4
    assert mailbox.select() == []


SLACK = st.sampled_from(["429", "429:2", "500", "503", "hang", "reset", "reset_after_accept", "error:account_inactive"])
SMTP = st.sampled_from(["451", "550", "hang", "late:3", "drop_after_data"])


@given(st.lists(SLACK), st.lists(SMTP))
def test_faults_are_played_in_order_and_then_all_is_well(slack: list[str], smtp: list[str]) -> None:
    faults = Faults()
    faults.script({"slack": slack, "smtp": smtp})
    assert faults.left() == {"slack": slack, "smtp": smtp}
    assert [faults.take("slack") for _ in slack] == slack
    assert [faults.take("smtp") for _ in smtp] == smtp
    assert faults.take("slack") is faults.take("smtp") is None


@pytest.mark.parametrize(
    "script",
    [{"fax": []}, {"slack": "500"}, {"slack": ["200"]}, {"slack": ["429:0"]}, {"smtp": ["429:1"]}, {"smtp": [451]}],
)
def test_a_script_that_cannot_be_played_changes_nothing(script: dict[str, object]) -> None:
    faults = Faults()
    faults.script({"slack": ["500"]})
    with pytest.raises(BadScript):
        faults.script({"slack": []} | script | {"smtp": script.get("smtp", [])})
    assert faults.left() == {"slack": ["500"], "smtp": []}
