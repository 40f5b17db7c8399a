"""What is said, and what is not, when findings come and go; that history never pages."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.detector import SEVERITIES, Evidence, Finding, Severity
from services.health.episode import SETTLE, SOURCE, Arrival, Episode, arrival, decide, event_of
from shared.events import RestsOn, SignalCleared, SignalOpened, Text, decode_event, encode_event
from tests.unit.health.signals.build import NOW, account, ago, contact, left, usage

LIVE = Arrival()
ASLEEP = Arrival(settled=True, awake=False)
ARRIVING = Arrival(settled=False, awake=True)
WORDS = Text(en="Because.", ja="理由。")


def finding(
    signal: str = "s",
    severity: Severity = "high",
    *,
    subject: str = "",
    backfill: bool = False,
    single: bool = False,
    days: float = 5,
    event: str = "e1",
) -> Finding:
    evidence = Evidence("because", WORDS, "1", ago(days), (event,), backfill, ago(days))
    return Finding(signal, severity, ago(days), (evidence,), WORDS, subject, single, {"n": "1"})


def after(known: tuple[Episode, ...], *found: Finding, came: Arrival = LIVE) -> tuple[list[str], tuple[Episode, ...]]:
    """Return what was said, and the episodes as they are then stored."""
    said, _ = decide("acme", known, found, came)
    stored = {each.episode: each for each in known} | {each.episode.episode: each.episode for each in said}
    return [each.kind for each in said], tuple(stored.values())


def test_it_is_opened_once_updated_when_it_matters_and_cleared_once() -> None:
    said, known = after((), finding())
    assert said == ["opened"]
    assert after(known, finding())[0] == []
    assert after(known, finding(days=4))[0] == [], "a date that moves is no news"
    assert after(known, finding(severity="critical"))[0] == ["updated"]
    assert after(known, finding(event="e2"))[0] == ["updated"]
    said, known = after(known)
    assert said == ["cleared"]
    assert after(known)[0] == []


def test_what_comes_back_since_the_same_time_is_the_same_episode_and_since_another_a_new_one() -> None:
    _, known = after((), finding())
    _, known = after(known)
    said, again = after(known, finding())
    assert (said, len(again), again[0].sequence) == (["opened"], 1, 3)
    said, new = after(known, finding(days=1))
    assert (said, len(new)) == (["opened"], 2)


def test_every_subject_has_an_episode_of_its_own() -> None:
    _, known = after((), finding(subject="ana"), finding(subject="ben"))
    said, known = after(known, finding(subject="ben"))
    assert said == ["cleared"]
    assert [each.subject_id for each in known if each.open] == ["ben"]


def test_history_alone_is_told_as_history_until_a_live_fact_comes_and_then_for_good() -> None:
    _, known = after((), finding(backfill=True), came=ASLEEP)
    assert known[0].historical
    assert after(known, finding(backfill=True), came=ASLEEP)[0] == []
    said, known = after(known, finding(backfill=True), came=LIVE)
    assert (said, known[0].historical) == (["updated"], False)
    said, known = after(known, finding(backfill=True), came=ASLEEP)
    assert (said, known[0].historical) == ([], False)


def test_a_live_report_speaks_at_once_though_history_is_arriving() -> None:
    _, known = after((), finding(single=True), came=ARRIVING)
    assert not known[0].historical
    _, known = after((), finding(single=True, backfill=True), came=ARRIVING)
    assert known[0].historical


@pytest.mark.parametrize("known", [(), after((), finding())[1]])
def test_half_of_a_history_neither_opens_nor_clears(known: tuple[Episode, ...]) -> None:
    assert decide("acme", known, [finding("other")], ARRIVING) == ((), True)
    assert decide("acme", (), [], ARRIVING) == ((), False)


def test_how_facts_came_in() -> None:
    live, history = contact(1, "ana"), left(2, "ana", backfill=True)
    assert arrival(account(), None, NOW) == Arrival(settled=True, awake=False)
    assert arrival(account(live), None, NOW) == Arrival(settled=True, awake=True)
    assert arrival(account(history), None, NOW) == Arrival(settled=True, awake=False)
    assert arrival(account(live, history), None, NOW) == Arrival(settled=True, awake=True)
    later = account(live, left(0, "ana", backfill=True))
    assert arrival(later, None, NOW) == Arrival(settled=False, awake=False)
    assert arrival(later, None, NOW + SETTLE).settled
    assert not arrival(account(history), ago(2), NOW).settled, "read only up to the last of it: there may be more"
    assert arrival(account(history), ago(2) + SETTLE, NOW).settled
    assert not arrival(account(days=usage([3], backfill=True)), None, NOW).awake


FINDINGS = st.lists(
    st.builds(
        finding,
        st.sampled_from(["a", "b"]),
        st.sampled_from(SEVERITIES),
        subject=st.sampled_from(["", "x"]),
        backfill=st.booleans(),
        single=st.booleans(),
        days=st.integers(1, 3),
        event=st.sampled_from(["e1", "e2"]),
    ),
    max_size=4,
    unique_by=lambda each: (each.signal, each.subject_id),
)
RUNS = st.lists(st.tuples(FINDINGS, st.builds(Arrival, st.booleans(), st.booleans())), max_size=8)


@given(RUNS)
def test_whatever_comes_episodes_open_and_close_in_turn_and_a_repetition_says_nothing(
    runs: list[tuple[list[Finding], Arrival]],
) -> None:
    known: tuple[Episode, ...] = ()
    told: set[tuple[str, int]] = set()
    for found, came in runs:
        before = {each.episode: each for each in known}
        for each in decide("acme", known, found, came)[0]:
            was_open = each.episode.episode in before and before[each.episode.episode].open
            assert was_open is (each.kind != "opened")
            assert (each.episode.episode, each.episode.sequence) not in told
            told.add((each.episode.episode, each.episode.sequence))
        known = after(known, *found, came=came)[1]
        opened = [(each.signal, each.subject_id) for each in known if each.open]
        assert len(opened) == len(set(opened))
        assert after(known, *found, came=came)[0] == []
        if came.settled:
            assert set(opened) == {(each.signal, each.subject_id) for each in found}


@given(FINDINGS)
def test_nothing_that_is_history_alone_is_ever_told_as_news(found: list[Finding]) -> None:
    for came in (ASLEEP, Arrival(settled=False, awake=False)):
        for each in decide("acme", (), found, came)[0]:
            assert each.finding is not None
            assert each.episode.historical or (each.finding.single and each.finding.live)


def test_an_event_carries_the_whole_case_and_is_the_same_when_said_again() -> None:
    base = RestsOn(cluster="c", partition=3, positions={"customer.v1": 7})
    (said,), _ = decide("acme", (), [finding(single=True, subject="ana")], LIVE)
    event = event_of(said, base, NOW)
    assert (event.source, event.type, event.subject) == (SOURCE, "kizuna.signal.opened", "acme")
    assert isinstance(event.data, SignalOpened)
    assert (event.data.subject_id, event.data.rests_on, event.data.since) == ("ana", base, ago(5))
    assert event.data.evidence[0].event_ids == ["e1"]
    assert event.data.evidence[0].text == WORDS
    assert event_of(said, None, NOW + timedelta(hours=1)).id == event.id
    assert decode_event(encode_event(event)) == event


def test_clearing_names_the_episode_and_the_reason() -> None:
    (opened,), _ = decide("acme", (), [finding()], LIVE)
    (said,), _ = decide("acme", [opened.episode], [], LIVE)
    event = event_of(said, None, NOW)
    assert isinstance(event.data, SignalCleared)
    assert (event.data.episode, event.data.reason) == (opened.episode.episode, "no longer holds")
    assert event.id != event_of(opened, None, NOW).id
    assert replace(said.episode, open=True, sequence=1) == opened.episode
