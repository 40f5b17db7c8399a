"""What alerts.v1 hears: each line of an alert's history once, under a name that follows from what it says."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.episode import Act, Said, fold
from services.alerts.evaluate import announcements
from shared.events import AlertResolved, decode_event, encode_event
from tests.unit.alerts.saying import START, signal

NOW = START + timedelta(days=1)


def said(kind: str, minutes: int) -> Said:
    at = START + timedelta(minutes=minutes)
    return Said(kind, signal(kind, at), at, str(minutes))  # type: ignore[arg-type]  # kinds of the table


[OPEN] = fold("acme", [said("opened", 0)], [])
ACTS = [
    Act(OPEN.id, START + timedelta(minutes=1), "jane", "a1"),
    Act(OPEN.id, START + timedelta(minutes=2), "jane", "a2", "false_alarm", "on holiday"),
]
[LIVED] = fold("acme", [said("opened", 0), said("cleared", 3), said("opened", 4)], ACTS)


def test_a_life_is_told_in_order() -> None:
    told = announcements(LIVED, 0, NOW)
    assert [each.type.rpartition(".")[2] for each in told] == ["raised", "acknowledged", "resolved", "raised"]
    assert [each.time for each in told] == sorted(each.time for each in told)
    resolved = told[2].data
    assert isinstance(resolved, AlertResolved)
    assert (resolved.actor, resolved.verdict) == ("jane", "false_alarm")


def test_what_cleared_by_itself_has_no_actor() -> None:
    [alert] = fold("acme", [said("opened", 0), said("cleared", 3)], [])
    resolved = announcements(alert, 1, NOW)[0].data
    assert isinstance(resolved, AlertResolved)
    assert (resolved.actor, resolved.verdict) == (None, None)


def test_names_follow_from_what_is_said_and_differ() -> None:
    first, again = announcements(LIVED, 0, NOW), announcements(LIVED, 0, NOW + timedelta(days=9))
    assert [each.id for each in first] == [each.id for each in again]
    assert len({each.id for each in first}) == len(first)


@given(st.integers(0, len(LIVED.history)))
def test_told_in_two_parts_is_told_once(cut: int) -> None:
    part = LIVED.history[:cut]
    before = sum(step.what != "worsened" for step in part)
    assert len(announcements(LIVED, cut, NOW)) == len(announcements(LIVED, 0, NOW)) - before


def test_they_keep_the_contract() -> None:
    for each in announcements(LIVED, 0, NOW):
        assert decode_event(encode_event(each)) == each
