"""Who is told: csm, manager, team, in this order, and nobody is forgotten."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.channel import Channel
from services.alerts.directory import Account
from services.alerts.routing import CHANNELS, TIERS, after_death, channels_for, recipient
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


@given(st.sampled_from(sorted(CHANNELS)), st.sampled_from([("slack", "email"), ("email",), ("slack", "email", "sms")]))
def test_when_everything_dies_every_channel_of_every_tier_was_tried(severity: str, configured: tuple[str, ...]) -> None:
    told = {("csm", name): "dead" for name in channels_for(severity, configured)}
    while steps := after_death(severity, [(*place, state) for place, state in told.items()], configured):
        assert not set(steps) & set(told), "nothing is tried twice"
        told |= dict.fromkeys(steps, "dead")
    assert set(told) == {(tier, name) for tier in TIERS for name in configured}


@given(
    st.lists(st.sampled_from(("pending", "sending", "ambiguous", "sent", "withdrawn", "dead")), min_size=2, max_size=2)
)
def test_nothing_more_is_tried_while_one_lives(states: list[str]) -> None:
    told = [("csm", "slack", states[0]), ("csm", "email", states[1])]
    more = after_death("high", told, ("slack", "email"))
    assert bool(more) == (states == ["dead", "dead"])
    assert all(tier == "manager" for tier, _ in more)
