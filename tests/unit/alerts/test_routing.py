"""Who is told: csm, manager, team, in this order, and nobody is forgotten."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.channel import Channel
from services.alerts.directory import Account
from services.alerts.routing import CHANNELS, TIERS, after_death, channels_for, is_last, recipient
from tests.unit.alerts.saying import HANAKO, JANE


class Post:
    """A channel that reaches everybody, or the team alone."""

    name = "post"

    def __init__(self, *, reaches: bool = True, team: str | None = "the team") -> None:
        self._reaches, self._team = reaches, team

    def address(self, person: Any) -> str | None:
        return person.email if self._reaches else None

    def team(self) -> str | None:
        return self._team


def post(**how: Any) -> Channel:
    return cast("Channel", Post(**how))


ACCOUNT = Account("acme", "Acme", owners={"csm": HANAKO, "manager": JANE})


def test_the_csm_is_told_in_her_language() -> None:
    found = recipient(ACCOUNT, "csm", post())
    assert found
    assert (found.tier, found.person, found.address, found.language) == ("csm", "hanako", HANAKO.email, "ja")


@pytest.mark.parametrize(
    ("account", "tier", "channel", "found"),
    [
        (ACCOUNT, "manager", post(), ("manager", "jane", JANE.email)),
        (ACCOUNT, "team", post(), ("team", "team", "the team")),
        (Account("x", "x"), "csm", post(), ("team", "team", "the team")),
        (ACCOUNT, "csm", post(reaches=False), ("team", "team", "the team")),
        (Account("x", "x"), "csm", post(team=None), None),
    ],
)
def test_tiers_only_go_up(account: Account, tier: str, channel: Channel, found: tuple[str, ...] | None) -> None:
    reached = recipient(account, tier, channel)
    assert (reached and (reached.tier, reached.person, reached.address)) == found


def test_every_severity_uses_some_channel() -> None:
    for severity in CHANNELS:
        assert channels_for(severity, ("slack", "email"))
        assert channels_for(severity, ("carrier_pigeon",)) == ("carrier_pigeon",)


def posts(*names: str, without_team: str = "") -> dict[str, Channel]:
    return {name: post(team=None if name == without_team else "the team") for name in names}


@given(st.sampled_from(sorted(CHANNELS)), st.sampled_from([("slack", "email"), ("email",), ("slack", "email", "sms")]))
def test_when_everything_dies_every_channel_of_every_tier_was_tried(severity: str, configured: tuple[str, ...]) -> None:
    told = {("csm", name): "dead" for name in channels_for(severity, configured)}
    while steps := after_death(severity, [(*place, state) for place, state in told.items()], posts(*configured)):
        assert not set(steps) & set(told), "nothing is tried twice"
        assert not is_last(severity, [(*place, state) for place, state in told.items()], posts(*configured))
        told |= dict.fromkeys(steps, "dead")
    assert set(told) == {(tier, name) for tier in TIERS for name in configured}
    assert is_last(severity, [(*place, state) for place, state in told.items()], posts(*configured))


@given(
    st.lists(st.sampled_from(("pending", "sending", "ambiguous", "sent", "withdrawn", "dead")), min_size=2, max_size=2)
)
def test_nothing_more_is_tried_while_one_lives(states: list[str]) -> None:
    told = [("csm", "slack", states[0]), ("csm", "email", states[1])]
    more = after_death("high", told, posts("slack", "email"))
    assert bool(more) == (states == ["dead", "dead"])
    assert all(tier == "manager" for tier, _ in more)


def test_a_channel_that_knows_no_team_is_no_hope() -> None:
    told = [("team", "email", "dead")]
    channels = posts("slack", "email", without_team="slack")
    assert after_death("low", told, channels) == ()
    assert is_last("low", told, channels)
    assert not is_last("low", told, posts("slack", "email"))


@pytest.mark.parametrize(("other", "last"), [("pending", True), ("dead", True), ("sent", False)])
def test_the_last_hope_is_no_longer_one_when_another_message_has_arrived(other: str, last: bool) -> None:
    told = [("team", "slack", "dead"), ("team", "email", other)]
    assert is_last("high", told, posts("slack", "email")) is last
