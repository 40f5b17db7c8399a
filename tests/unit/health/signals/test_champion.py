from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.champion import GROUPS, Leaving, fades_at, leavings, probability, remaining
from services.health.facts import AccountFacts
from tests.unit.health.signals.build import CHAMPION, NOW, account, ago, contact, left, usage

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


def test_a_champion_named_after_the_leaving_ends_it_unless_that_one_has_left_too() -> None:
    cleo = contact(1, "cleo", person=3, roles=["champion"])
    assert leavings(account(ANA, left(5, "ana"), cleo), NOW, CHAMPION) == ()
    both = account(ANA, left(5, "ana"), cleo, left(0, "cleo", person=3))
    assert [each.contact.contact_id for each in leavings(both, NOW, CHAMPION)] == ["ana", "cleo"]
    before = contact(50, "cleo", person=3, roles=["champion"])
    assert only(account(ANA, before, left(5, "ana"), contact(1, "cleo", person=3, roles=["champion", "admin"])))


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
    assert remaining(facts, NOW, CHAMPION, but="ana") == 1


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
