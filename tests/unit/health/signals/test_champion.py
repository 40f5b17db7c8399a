import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.champion import GROUPS, Leaving, deciders, fades_at, leavings, probability
from services.health.facts import AccountFacts
from services.health.judge import detectors, findings
from services.health.record import ContactPatch, Fact, LeftReport
from tests.unit.health.signals.build import CHAMPION, NOW, RULES, account, ago, contact, context, left, usage

ANA = contact(100, "ana", roles=["champion"])
BEN = contact(100, "ben", person=2, roles=["executive"])


def only(facts: AccountFacts) -> Leaving:
    (leaving,) = leavings(facts, NOW, CHAMPION)
    return leaving


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["human"], 0.98),
        (["deactivated"], 0.4033),
        (["mail_bounced"], 0.1310),
        (["auto_reply"], 0.7518),
        (["company_changed"], 0.7518),
        (["deactivated", "mail_bounced"], 0.8332),
        (["mail_bounced", "auto_reply"], 0.7518),
        (["mail_bounced", "mail_bounced"], 0.6475),
        (["company_changed", "auto_reply"], 0.9978),
    ],
)
def test_fresh_reports_add_up_by_group(kinds: list[str], expected: float) -> None:
    reports = [left(0, "ana", kind) for kind in kinds]
    assert probability(reports, NOW, CHAMPION) == pytest.approx(expected, abs=1e-4)


def test_reports_fade_but_what_a_person_reported_does_not() -> None:
    assert probability([left(45, "ana", "company_changed")], NOW, CHAMPION) == pytest.approx(0.1991, abs=1e-4)
    assert probability([left(300, "ana")], NOW, CHAMPION) == 0.98


def test_a_contact_who_never_was_champion_is_nobodys_concern() -> None:
    assert leavings(account(BEN, left(1, "ben", person=2)), NOW, CHAMPION) == ()
    assert leavings(account(left(1, "unknown")), NOW, CHAMPION) == ()


def test_a_role_taken_away_or_given_late_does_not_hide_the_leaving() -> None:
    assert only(account(ANA, contact(50, "ana", roles=[]), left(1, "ana"))).probability == 0.98
    assert only(account(left(3, "ana"), contact(1, "ana", roles=["champion"]))).since == ago(3)


def test_somebody_saying_that_the_person_is_active_disproves_what_was_reported_before() -> None:
    assert leavings(account(ANA, left(5, "ana"), contact(4, "ana", active=True)), NOW, CHAMPION) == ()
    again = account(ANA, left(5, "ana"), contact(4, "ana", active=True), left(2, "ana"))
    assert only(again).since == ago(2)


def test_using_the_product_on_a_later_day_disproves_it_on_the_same_day_it_does_not() -> None:
    wednesday = 8  # days before NOW on which `usage([1])` falls
    assert leavings(account(ANA, left(wednesday + 1, "ana"), days=usage([1])), NOW, CHAMPION) == ()
    assert only(account(ANA, left(wednesday, "ana"), days=usage([1])))


def test_a_champion_named_after_the_leaving_ends_it_also_if_that_one_leaves_in_turn() -> None:
    cleo = contact(195, "cleo", person=3, roles=["champion"])
    ana = contact(300, "ana", roles=["champion"])
    assert leavings(account(ana, left(200, "ana"), cleo), NOW, CHAMPION) == ()
    without, again = contact(60, "cleo", person=3, roles=[]), contact(50, "cleo", person=3, roles=["champion"])
    for farewell in ([], [without], [without, again], [contact(60, "cleo", person=3, active=False)]):
        facts = account(ana, left(200, "ana"), cleo, left(100, "cleo", person=3), *farewell)
        assert only(facts).contact.contact_id == "cleo"
    before = contact(250, "cleo", person=3, roles=["champion"])
    more = contact(195, "cleo", person=3, roles=["champion", "admin"])
    assert only(account(ana, before, left(200, "ana"), more)).contact.contact_id == "ana"


def test_who_had_left_when_they_were_named_takes_nobodys_place() -> None:
    named = contact(1, "cleo", person=3, roles=["champion"])
    both = account(ANA, left(5, "ana"), left(3, "cleo", person=3), named)
    assert [each.contact.contact_id for each in leavings(both, NOW, CHAMPION)] == ["ana", "cleo"]
    assert only(account(ANA, left(5, "ana"), contact(3, "cleo", person=3, active=False), named))
    back = contact(0, "cleo", person=3, active=True)
    assert leavings(account(ANA, left(5, "ana"), left(3, "cleo", person=3), named, back), NOW, CHAMPION) == ()


def test_only_active_people_with_a_say_remain() -> None:
    facts = account(
        ANA,
        BEN,
        contact(9, "cleo", person=3, roles=["user"]),
        contact(9, "dan", person=4, roles=["decision_maker"], active=False),
        contact(9, "eve", person=5, roles=["decision_maker"]),
        left(1, "eve", person=5),
        left(1, "ana"),
    )
    assert deciders(facts, NOW, CHAMPION) == {"ben"}


def test_after_a_year_a_leaving_is_forgotten() -> None:
    facts = account(contact(900, "ana", roles=["champion"]), left(364, "ana"))
    assert only(facts)
    assert leavings(facts, NOW + timedelta(days=2), CHAMPION) == ()


KINDS = st.sampled_from(["human", *GROUPS])
REPORTS = st.lists(st.tuples(st.integers(0, 400), KINDS), min_size=1, max_size=6)


@given(REPORTS)
def test_probability_is_one_and_grows_with_every_report(said: list[tuple[int, str]]) -> None:
    reports = [left(days, "ana", kind) for days, kind in sorted(said, reverse=True)]
    series = [probability(reports[:end], NOW, CHAMPION) for end in range(1, len(reports) + 1)]
    assert all(0 < p < 1 for p in series)
    assert series == sorted(series)


@given(REPORTS)
def test_just_before_the_next_look_the_probability_is_on_the_same_side_of_every_threshold(
    said: list[tuple[int, str]],
) -> None:
    reports = [left(days, "ana", kind) for days, kind in said if kind != "human"]
    look = fades_at(reports, NOW, CHAMPION)
    if look is None:
        assert probability(reports, NOW, CHAMPION) < CHAMPION.verify
        return
    sides = [
        [probability(reports, at, CHAMPION) >= level for level in (CHAMPION.verify, CHAMPION.alert)]
        for at in (NOW, look - timedelta(seconds=2), look)
    ]
    assert sides[0] == sides[1] != sides[2]


def test_the_order_in_which_facts_arrive_does_not_matter() -> None:
    log = [ANA, BEN, left(5, "ana"), contact(4, "ana", active=True), left(2, "ana", "auto_reply")]
    assert len({leavings(account(*order), NOW, CHAMPION) for order in permutations(log)}) == 1


NAMES = {"a": 1, "b": 2, "c": 3}
WHO, DAYS = st.sampled_from(sorted(NAMES)), st.integers(0, 400)
CHANGES = st.sampled_from([{"roles": ["champion"]}, {"roles": []}, {"active": True}, {"active": False}, {}])
SAID: st.SearchStrategy[list[Fact]] = st.lists(
    st.one_of(
        st.builds(lambda days, who, changes: contact(days, who, NAMES[who], **changes), DAYS, WHO, CHANGES),
        st.builds(lambda days, who, kind: left(days, who, kind, NAMES[who]), DAYS, WHO, KINDS),
    ),
    max_size=14,
)


def standing_reports(facts: AccountFacts, who: str) -> list[LeftReport]:
    """Return the reports about one contact that neither a later word, nor later usage, nor time has disproved."""
    said = [each for each in facts.log if isinstance(each, (ContactPatch, LeftReport)) and each.contact_id == who]
    back = [place for place, each in enumerate(said) if isinstance(each, ContactPatch) and each.changes.get("active")]
    reports = [each for each in said[max(back, default=-1) + 1 :] if isinstance(each, LeftReport)]
    used = [day.day for day in facts.usage if NAMES[who] in day.persons]
    return [
        each
        for each in reports
        if each.effective > ago(CHAMPION.memory_days) and not any(day > each.effective.date() for day in used)
    ]


def spells(facts: AccountFacts, who: str) -> list[tuple[datetime, bool]]:
    """Return when each spell as champion began, and whether the person was active at any time in it."""
    found: list[tuple[datetime, bool]] = []
    champion, active = False, True
    for each in facts.log:
        if not isinstance(each, ContactPatch) or each.contact_id != who:
            continue
        was, champion = champion, bool(each.changes.get("roles", [1] if champion else []))
        active = each.changes.get("active", active)
        if champion and not was:
            found.append((each.effective, active))
        elif champion:
            found[-1] = (found[-1][0], found[-1][1] or active)
    return found


@given(SAID, st.lists(st.integers(0, 3), max_size=20))
def test_a_leaving_is_a_champion_with_reports_whom_nobody_followed(said: list[Fact], weeks: list[int]) -> None:
    facts = account(*said, days=usage(weeks))
    reports = {who: standing_reports(facts, who) for who in facts.contacts}
    began = [(who, at) for who in facts.contacts for at, active in spells(facts, who)[::-1] if active]
    heirs = [(who, at) for who, at in began if not is_gone([each for each in reports[who] if each.effective <= at])]
    expected = [
        Leaving(facts.contacts[who], tuple(each), probability(each, NOW, CHAMPION))
        for who, each in sorted(reports.items())
        if each and spells(facts, who)
        if not any(at > each[0].effective for heir, at in heirs if heir != who)
    ]
    assert list(leavings(facts, NOW, CHAMPION)) == expected
    here = {who for who, each in facts.contacts.items() if each.active and not is_gone(reports[who])}
    assert deciders(facts, NOW, CHAMPION) == {who for who in here if facts.contacts[who].roles}


def is_gone(reports: list[LeftReport]) -> bool:
    return probability(reports, NOW, CHAMPION) >= CHAMPION.verify


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Count the calls that are made inside, of Python's functions and of C's."""
    calls, before = [0], sys.getprofile()

    def count(_frame: object, event: str, _arg: object) -> None:
        calls[0] += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def calls_for(people: int) -> int:
    """Return how many calls it takes to judge an account all of whose champions have left."""
    came = [contact(100, f"c{n}", n, roles=["champion"]) for n in range(people)]
    gone = [left(1 + n / 1000, f"c{n}", person=n) for n in range(people)]
    facts = account(*came, *gone, days=usage([people] * 4, last=(NOW - timedelta(days=60)).date()))
    used = detectors(RULES)
    with counted_calls() as calls:
        assert len(findings(facts, context(), used)) >= people
        assert len(leavings(facts, NOW, CHAMPION)) == people
    return calls[0]


def test_eight_times_the_people_make_about_eight_times_the_work() -> None:
    assert calls_for(400) < 12 * calls_for(50)
