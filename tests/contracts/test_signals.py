"""What every detector promises, whoever wrote it: held to it without being named, and shown to bite on wrong ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.health.detector import SEVERITIES, Context, Detector, Evidence, Finding, Rule
from services.health.facts import AccountFacts, account_facts
from services.health.judge import detectors, findings
from services.health.record import Fact, Payment, Survey, TicketOpened, UsageDay
from shared.events import Text
from tests.unit.health.histories import BUSY, LONG_AGO, History, histories, shifted, to_this_week
from tests.unit.health.signals.build import (
    NOW,
    RULES,
    ago,
    contact,
    context,
    left,
    measured,
    objective,
    profile,
    stamp,
    subscription,
    usage,
)

DETECTORS = detectors(RULES)
EACH = pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)


def survey(days: int, score: int, who: str) -> Survey:
    named: dict[str, Any] = {
        "survey": "nps",
        "score": Decimal(score),
        "low": Decimal(0),
        "high": Decimal(10),
        "contact_id": who,
    }
    return Survey(**stamp(days, f"survey{who}@{days}"), **named)


def ticket(days: int, severity: str) -> TicketOpened:
    return TicketOpened(**stamp(days, f"ticket@{days}"), ticket_id=f"t{days}", severity=severity)


def payment(days: int, paid: bool) -> Payment:
    named: dict[str, Any] = {
        "invoice_id": "i",
        "subscription_id": None,
        "amount": Decimal(100),
        "currency": "USD",
        "paid": paid,
    }
    return Payment(**stamp(days, f"payment@{days}"), **named)


DAYS = st.integers(-40, 500)
RECENT = st.integers(-10, 100)
MARKS = st.booleans()
FACTS = st.one_of(
    st.builds(lambda d, a, r: contact(d, a, ord(a), roles=r), DAYS, st.sampled_from("ab"), st.just(["champion"])),
    st.builds(lambda d, a: contact(d, a, ord(a), active=True), DAYS, st.sampled_from("ab")),
    st.builds(
        lambda d, a, e, b: left(d, a, e, ord(a), backfill=b),
        DAYS,
        st.sampled_from("ab"),
        st.sampled_from(["human", "deactivated", "mail_bounced", "auto_reply", "company_changed"]),
        MARKS,
    ),
    st.builds(objective, DAYS, st.integers(-100, 400)),
    st.builds(measured, DAYS, st.integers(-5, 130), st.sampled_from(["customer", "vendor"])),
    st.builds(
        lambda d, mrr, n: subscription(d, mrr, term_start=ago(d).date(), term_end=ago(d).date() + timedelta(days=n)),
        DAYS,
        st.sampled_from(["0", "1000", "9000"]),
        st.integers(30, 800),
    ),
    st.builds(lambda d, t: profile(d, tier=t), DAYS, st.sampled_from(["high", "low"])),
    st.builds(survey, RECENT, st.integers(0, 10), st.sampled_from("ab")),
    st.builds(ticket, RECENT, st.sampled_from(["low", "urgent"])),
    st.builds(payment, RECENT, st.booleans()),
)
LOGS = st.lists(FACTS, max_size=12, unique_by=lambda fact: (fact.event_id, type(fact)))
WEEKS = st.lists(st.sampled_from([0, 1, 5, 10, 12]), max_size=16)
Check = Callable[[Detector, AccountFacts], None]


def told(detector: Detector, facts: AccountFacts) -> list[Finding]:
    return list(detector.detect(facts.at(NOW), context()))


def built(log: Sequence[Fact], days: Sequence[UsageDay] = ()) -> AccountFacts:
    return account_facts("acme", UTC, log, days)


def is_well_said(detector: Detector, facts: AccountFacts) -> None:
    """Every finding is one that was announced, dated, reasoned, and readable in both languages."""
    for finding in told(detector, facts):
        assert finding.signal in detector.titles
        assert finding.severity in SEVERITIES
        assert finding.since <= NOW
        assert finding.evidence
        texts = [finding.next_step, detector.titles[finding.signal], *(each.text for each in finding.evidence)]
        assert all(text.en.strip() and text.ja.strip() and text.en != text.ja for text in texts)
        for each in finding.evidence:
            assert each.at <= NOW
            known = {fact.event_id for fact in facts.log}
            assert set(each.event_ids) <= known
            assert each.event_ids or each.value is not None, "evidence names its events, or a value and its date"
    subjects = [(finding.signal, finding.subject_id) for finding in told(detector, facts)]
    assert len(subjects) == len(set(subjects))


def is_deterministic(detector: Detector, facts: AccountFacts) -> None:
    assert told(detector, facts) == told(detector, facts)


def ignores_order_and_repetition(detector: Detector, facts: AccountFacts) -> None:
    shuffled = built([*reversed(facts.log), *facts.log], [*reversed(facts.usage), *facts.usage])
    assert told(detector, shuffled) == told(detector, facts)


def ignores_what_comes_later(detector: Detector, facts: AccountFacts) -> None:
    """What had not happened by then is cut off before a detector sees it, and leaves no other trace."""
    past = built(facts.at(NOW).log, facts.at(NOW).usage)
    assert findings(facts, context(), [detector]) == findings(past, context(), [detector])


def says_nothing_of_nothing(detector: Detector, _: AccountFacts) -> None:
    assert told(detector, built(())) == []
    gone = built([subscription(300, "0")], usage([10] * 10 + [0, 0, 0]))
    assert told(detector, gone) == []


def looks_ahead(detector: Detector, facts: AccountFacts) -> None:
    """Until the moment at which it wants to look again, time alone changes neither what holds nor how bad it is."""
    look = detector.next_look(facts.at(NOW), context())
    assert look is None or look > NOW
    until = min(look or NOW + timedelta(days=700), NOW + timedelta(days=700)) - timedelta(seconds=2)
    past = built(facts.at(NOW).log, facts.at(NOW).usage)
    held = [(finding.signal, finding.subject_id) for finding in detector.detect(past, context())]
    later = detector.detect(past.at(until), Context(until, RULES, {}))
    assert [(finding.signal, finding.subject_id) for finding in later] == held


CHECKS: tuple[Check, ...] = (
    is_well_said,
    is_deterministic,
    ignores_order_and_repetition,
    ignores_what_comes_later,
    says_nothing_of_nothing,
    looks_ahead,
)


@EACH
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@given(log=LOGS, weeks=WEEKS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_detector_keeps_its_promises(detector: Detector, check: Check, log: list[Fact], weeks: list[int]) -> None:
    check(detector, built(log, usage(weeks)))


def said_of(detector: Detector, history: History) -> list[tuple[object, ...]]:
    """What is found, with every moment counted from `as_of`: the same for whatever is whole weeks older or younger."""
    as_of, facts = history.as_of, history.facts()
    weeks = {facts.last_complete_week(as_of) - timedelta(weeks=back): None for back in range(60)}
    return [
        (
            each.signal,
            each.subject_id,
            each.severity,
            each.since - as_of,
            [(e.fact, e.at - as_of) for e in each.evidence],
        )
        for each in findings(facts, Context(as_of, RULES, weeks), [detector])
    ]


def knows_no_clock(detector: Detector, history: History) -> None:
    present = shifted(history, to_this_week(history))
    assert said_of(detector, present) == said_of(detector, shifted(present, LONG_AGO)), "reads a clock"


@EACH
@given(history=histories())
@settings(max_examples=100, deadline=None)
def test_no_detector_knows_a_clock(detector: Detector, history: History) -> None:
    knows_no_clock(detector, history)


def test_there_are_detectors_and_no_two_raise_the_same_signal() -> None:
    signals = [name for detector in DETECTORS for name in detector.titles]
    assert {"champion_left", "usage_drop", "low_roi", "value_unproven"} <= set(signals)
    assert len(signals) == len(set(signals))


WORDS = Text(en="Something.", ja="何か。")
GOOD = Finding("wrong", "high", ago(1), (Evidence("e", WORDS, "1", ago(1), ("p@1",)),), WORDS)
FULL = built([profile(1), contact(2, "a")])
CALLS: list[int] = []


class NoRule(Rule, frozen=True):
    """A detector without numbers."""


def count_calls(_: AccountFacts, __: Context) -> list[Finding]:
    CALLS.append(1)
    return [replace(GOOD, facts={"n": str(len(CALLS))})]


def first_of_log(facts: AccountFacts, _: Context) -> list[Finding]:
    return [replace(GOOD, facts={"first": facts.account_id, "n": str(id(facts))})] if facts.log else []


def after_christmas(facts: AccountFacts, now: Context) -> list[Finding]:
    return [GOOD] if facts.log and now.as_of > datetime(2026, 12, 24, tzinfo=UTC) else []


WRONG: dict[str, tuple[Check, Callable[[AccountFacts, Context], Sequence[Finding]]]] = {
    "unannounced signal": (is_well_said, lambda _, __: [replace(GOOD, signal="other")]),
    "unknown severity": (is_well_said, lambda _, __: [replace(GOOD, severity="awful")]),  # type: ignore[arg-type]  # it is the point
    "since tomorrow": (is_well_said, lambda _, __: [replace(GOOD, since=NOW + timedelta(days=1))]),
    "no evidence": (is_well_said, lambda _, __: [replace(GOOD, evidence=())]),
    "English only": (is_well_said, lambda _, __: [replace(GOOD, next_step=Text(en="Call.", ja="Call."))]),
    "invented event": (
        is_well_said,
        lambda _, __: [replace(GOOD, evidence=(replace(GOOD.evidence[0], event_ids=("no",)),))],
    ),
    "the same twice": (is_well_said, lambda _, __: [GOOD, GOOD]),
    "remembers its runs": (is_deterministic, count_calls),
    "depends on the object, not on the facts": (ignores_order_and_repetition, first_of_log),
    "always cries": (says_nothing_of_nothing, lambda _, __: [GOOD]),
    "forgets to look again": (looks_ahead, after_christmas),
}


@pytest.mark.parametrize("sabotage", WRONG)
def test_a_wrong_detector_is_caught(sabotage: str) -> None:
    check, detect = WRONG[sabotage]
    wrong = Detector("wrong", {"wrong": WORDS}, NoRule, detect, lambda _, __: None)
    with pytest.raises(AssertionError):
        check(wrong, replace(FULL, log=(*FULL.log, profile(1))))


def test_a_detector_that_reads_the_clock_is_caught() -> None:
    def detect(facts: AccountFacts, _: Context) -> list[Finding]:
        recent = [day for day in facts.usage if day.day > datetime.now(UTC).date() - timedelta(days=28)]
        return [replace(GOOD, since=facts.midnight(recent[0].day))] if recent else []

    with pytest.raises(AssertionError, match="reads a clock"):
        knows_no_clock(Detector("wrong", {"wrong": WORDS}, NoRule, detect, lambda _, __: None), BUSY)


def test_a_right_detector_of_the_same_make_passes() -> None:
    def detect(facts: AccountFacts, _: Context) -> list[Finding]:
        proof = [fact for fact in facts.log if fact.event_id == "profile@1"]
        return [replace(GOOD, evidence=(replace(GOOD.evidence[0], event_ids=("profile@1",)),))] if proof else []

    right = Detector("right", {"wrong": WORDS}, NoRule, detect, lambda _, __: None)
    for check in CHECKS:
        check(right, FULL)
