"""Episodes against a small model of what they promise, driven by random lives."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.alerts.episode import COOL_DOWN, RANK, Act, Alert, Said, changes, fold, refusal, unsaid
from shared.events.derived import Severity
from tests.unit.alerts.saying import START, evidence, signal

SEVERITIES = st.sampled_from(("low", "medium", "high", "critical"))
VERDICTS = st.sampled_from(("true", "false_alarm", "duplicate", "known"))


def said(kind: Any, minutes: int = 0, **more: Any) -> Said:
    at = START + timedelta(minutes=minutes)
    return Said(kind, signal(kind, at, **more), at, f"{kind}{minutes}")


def act(alert: Alert, minutes: int, verdict: Any = None) -> Act:
    return Act(alert.id, START + timedelta(minutes=minutes), "jane", f"a{minutes}", verdict)


def only(*entries: Said | Act) -> Alert:
    [alert] = fold("acme", [e for e in entries if isinstance(e, Said)], [e for e in entries if isinstance(e, Act)])
    return alert


class Lives(RuleBasedStateMachine):
    """One fingerprint. The model knows what is open, how high it stood, and what has been said; nothing of folding."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.events: list[Said] = []
        self.acts: list[Act] = []
        self.episode = 0
        self.holds = False
        self.state = "none"
        self.rank = self.floor = -1
        self.said: int | None = None
        self.messages = self.expected = 0
        self.ended: datetime | None = None

    @rule(minutes=st.integers(1, 60 * 24 * 20))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: not self.holds)
    @rule(severity=SEVERITIES, anew=st.booleans())
    def opens(self, severity: Severity, anew: bool) -> None:  # a signal may return under the name it had
        self.episode += anew
        self._tell("opened", severity)
        if self.ended is None or self.now - self.ended > COOL_DOWN:
            self.said = None
        self.holds, self.state, self.floor = True, "open", -1
        self._stands(severity)

    @precondition(lambda self: self.holds)
    @rule(severity=SEVERITIES)
    def goes_on(self, severity: Severity) -> None:
        self._tell("updated", severity)
        if self.state != "open" and RANK[severity] > self.floor:
            self.state = "open"
        self._stands(severity)

    @precondition(lambda self: self.holds)
    @rule()
    def clears(self) -> None:
        self._tell("cleared", "low")
        self.holds, self.state, self.ended = False, "resolved", self.now

    @precondition(lambda self: self.state == "open")
    @rule()
    def somebody_acknowledges(self) -> None:
        self._act(None)
        self.state, self.floor = "acknowledged", self.rank

    @precondition(lambda self: self.state in {"open", "acknowledged"})
    @rule(verdict=VERDICTS)
    def somebody_resolves(self, verdict: str) -> None:
        self._act(verdict)
        self.state, self.floor, self.ended = "resolved", self.rank, self.now

    @rule(data=st.data())
    def something_is_told_twice(self, data: st.DataObject) -> None:
        if self.events:
            self.events.append(data.draw(st.sampled_from(self.events)))

    @invariant()
    def agrees_with_the_model(self) -> None:
        if self.state != "none":
            alert = self._alerts()[-1]
            assert (alert.state, alert.standing) == (self.state, self.holds)
            assert all(each.state == "resolved" for each in self._alerts()[:-1])

    @invariant()
    def order_of_arrival_plays_no_part(self) -> None:
        shuffled, acts = list(self.events), list(self.acts)
        random.Random(len(self.events)).shuffle(shuffled)
        random.Random(len(self.acts)).shuffle(acts)
        assert fold("acme", shuffled, acts) == self._alerts()

    @invariant()
    def said_exactly_what_must_be_said(self) -> None:
        assert self.messages == self.expected

    def _tell(self, kind: Any, severity: Severity) -> None:
        self.now += timedelta(seconds=1)
        data = signal(kind, self.now, severity=severity, episode=str(self.episode))
        self.events.append(Said(kind, data, self.now, f"e{len(self.events)}"))

    def _act(self, verdict: Any) -> None:
        self.now += timedelta(seconds=1)
        name = self._alerts()[-1].id
        self.acts.append(Act(name, self.now, "jane", f"a{len(self.acts)}", verdict))

    def _stands(self, severity: Severity) -> None:
        self.rank = RANK[severity]
        alert = self._alerts()[-1]
        self.messages += unsaid(alert, self.said)
        if self.state != "resolved" and (self.said is None or self.rank > self.said):
            self.expected += 1
            self.said = self.rank

    def _alerts(self) -> tuple[Alert, ...]:
        return fold("acme", self.events, self.acts)


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_evidence_is_appended_once() -> None:
    more = evidence("mail_bounced", "A mail bounced.", "メールが届きませんでした。")
    alert = only(said("opened"), said("updated", 1, evidence=[evidence(), more]), said("updated", 2))
    assert [each.fact for each in alert.evidence] == ["left", "mail_bounced"]


def test_what_comes_late_for_an_ended_episode_does_not_revive_it() -> None:
    alert = only(said("opened"), said("cleared", 1), said("updated", 2, severity="critical"))
    assert alert.state == "resolved"


def test_a_clearing_of_something_unknown_is_nothing() -> None:
    assert fold("acme", [said("cleared")], []) == ()


def test_the_same_instant_reads_opened_updated_cleared_then_acts() -> None:
    opened = said("opened")
    alert = only(said("cleared"), opened, act(only(opened), 0))
    assert [step.what for step in alert.history] == ["raised", "cleared"]


@pytest.mark.parametrize(("days", "alerts"), [(13, 1), (15, 2)])
def test_a_relapse_within_the_cool_down_is_the_same_alert(days: int, alerts: int) -> None:
    again = days * 24 * 60
    folded = fold("acme", [said("opened"), said("cleared", 1), said("opened", again, episode="second")], [])
    assert len(folded) == alerts
    assert folded[-1].state == "open"
    assert len({each.id for each in folded}) == alerts


def test_history_goes_live_and_stays_live() -> None:
    past = said("opened", historical=True)
    assert not unsaid(only(past), None)
    live = only(past, said("updated", 1))
    assert unsaid(live, None)
    assert not only(past, said("updated", 1), said("updated", 2, historical=True)).historical


def test_a_verdict_can_follow_an_automatic_end_but_not_another_verdict() -> None:
    cleared = only(said("opened"), said("cleared", 1))
    assert refusal(cleared, "false_alarm") is None
    judged = only(said("opened"), said("cleared", 1), act(cleared, 2, "false_alarm"))
    assert judged.verdict == "false_alarm"
    assert refusal(judged, "false_alarm") is None
    assert not changes(judged, "false_alarm")
    assert refusal(judged, "known")
    assert refusal(judged, None)


@given(st.lists(st.tuples(st.sampled_from(("opened", "updated", "cleared")), st.integers(0, 50_000), SEVERITIES)))
def test_any_sequence_folds_and_histories_begin_with_raising(entries: list[tuple[str, int, str]]) -> None:
    events = [said(kind, minutes, severity=severity, episode=str(minutes % 3)) for kind, minutes, severity in entries]
    for alert in fold("acme", events, []):
        assert alert.history[0].what == "raised"
        assert [step.at for step in alert.history] == sorted(step.at for step in alert.history)
        assert (alert.state == "resolved") == (not alert.standing)
