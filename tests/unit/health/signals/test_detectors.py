"""What each detector says of small histories: severity, since when, evidence."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.health.detector import Finding
from services.health.facts import AccountFacts
from services.health.judge import detectors, findings, next_look
from services.health.record import Fact
from tests.unit.health.signals.build import (
    LAST_WEEK,
    NOW,
    RULES,
    account,
    ago,
    contact,
    context,
    left,
    measured,
    objective,
    profile,
    subscription,
    usage,
)

DETECTORS = detectors(RULES)
TERM: dict[str, Any] = {"term_start": date(2026, 2, 1), "term_end": date(2027, 6, 1)}
Fleet = dict[date, float | None]
PAYING = subscription(300, **TERM)
ANA = contact(100, "ana", roles=["champion"], name="Ana", title="COO")


def found(facts: AccountFacts, signal: str, as_of: datetime = NOW, fleet: Fleet | None = None) -> Finding | None:
    return next((each for each in findings(facts, context(as_of, fleet), DETECTORS) if each.signal == signal), None)


def sure(facts: AccountFacts, signal: str, as_of: datetime = NOW) -> Finding:
    finding = found(facts, signal, as_of)
    assert finding is not None
    return finding


@pytest.mark.parametrize(
    ("others", "kind", "severity", "step"),
    [
        (0, "human", "critical", "Nobody else"),
        (1, "human", "high", "Ask the customer"),
        (2, "human", "medium", "Ask the customer"),
        (0, "company_changed", "medium", "Please verify"),
        (1, "company_changed", "low", "Please verify"),
    ],
)
def test_a_champion_who_left_weighs_by_who_remains(others: int, kind: str, severity: str, step: str) -> None:
    rest = [contact(90, f"c{n}", person=10 + n, roles=["executive"]) for n in range(others)]
    finding = sure(account(ANA, *rest, left(1, "ana", kind)), "champion_left")
    assert (finding.severity, finding.subject_id, finding.since) == (severity, "ana", ago(1))
    assert finding.next_step.en.startswith(step)
    assert finding.facts["contact"] == "Ana"
    assert [each.event_ids for each in finding.evidence] == [(f"ana-{kind}@1",)]


def test_weak_reports_are_kept_to_oneself_and_strong_ones_fade() -> None:
    assert found(account(ANA, left(1, "ana", "deactivated")), "champion_left") is None
    facts = account(ANA, left(0, "ana", "company_changed"))
    look = next_look(facts, context(), DETECTORS)
    assert look is not None
    assert found(facts, "champion_left", look - timedelta(seconds=2)) is not None
    assert found(facts, "champion_left", look) is None


def test_news_that_came_late_is_marked() -> None:
    assert sure(account(ANA, left(5, "ana", learned=0)), "champion_left").late
    assert not sure(account(ANA, left(1, "ana", learned=0.5)), "champion_left").late
    assert not sure(account(ANA, left(5, "ana", learned=0, backfill=True)), "champion_left").late


def test_fallen_usage_says_from_what_to_what_and_since_when() -> None:
    finding = sure(account(PAYING, days=usage([10] * 10 + [5, 5, 5])), "usage_drop")
    assert finding.severity == "medium"
    assert finding.since == datetime(2026, 10, 26, tzinfo=UTC)
    assert [(each.fact, each.value) for each in finding.evidence] == [
        ("usage_base", "10"),
        *[("usage_week", "5")] * 3,
    ]
    assert finding.evidence[-1].at.date() == LAST_WEEK
    assert finding.facts["fall_percent"] == "50"


@pytest.mark.parametrize(
    ("weeks", "log", "severity"),
    [
        ([10, 10, 0], [], "high"),
        ([3, 3, 3], [], "high"),
        ([5, 5, 5], [profile(50, tier="high")], "high"),
        ([5, 5, 5], [subscription(300, term_end=date(2027, 1, 10))], "high"),
        ([10, 10, 0], [profile(50, tier="high"), subscription(300, term_end=date(2027, 1, 10))], "critical"),
    ],
)
def test_a_fall_weighs_by_depth_tier_and_renewal(weeks: list[int], log: list[Fact], severity: str) -> None:
    assert sure(account(PAYING, *log, days=usage([10] * 10 + weeks)), "usage_drop").severity == severity


def test_after_a_cliff_the_text_follows_the_last_week_and_the_weight_stays() -> None:
    over = sure(account(PAYING, days=usage([20] * 12 + [0])), "usage_drop")
    assert (over.facts["kind"], over.next_step.en[:5]) == ("cliff", "Usage")
    for weeks in ([20], [20, 20], [20, 20, 20]):
        back = sure(account(PAYING, days=usage([20] * 12 + [0, *weeks])), "usage_drop")
        assert (back.severity, back.facts["kind"], back.next_step.en[:4]) == ("high", "drop", "Call")


def test_an_account_that_pays_nothing_any_more_may_fall_silent() -> None:
    facts = account(subscription(300), subscription(20, mrr="0"), days=usage([10] * 10 + [5, 5, 5]))
    assert found(facts, "usage_drop") is None
    assert found(facts, "usage_drop", ago(30)) is None


def test_silence_alone_reaches_the_cliff_and_the_next_look_is_when_it_will() -> None:
    facts = account(PAYING, days=usage([10] * 12, last=LAST_WEEK))
    assert found(facts, "usage_drop") is None
    assert next_look(facts, context(), DETECTORS) == datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert sure(facts, "usage_drop", NOW + timedelta(weeks=1)).facts["kind"] == "cliff"


def test_a_new_week_waits_for_the_fleet_for_an_hour() -> None:
    facts = account(PAYING, days=usage([10] * 12 + [0]))
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    early = monday + timedelta(minutes=30)
    assert found(facts, "usage_drop", early) is None
    assert next_look(facts, context(early), DETECTORS) == monday + timedelta(hours=1)
    assert found(facts, "usage_drop", early, {LAST_WEEK: None}) is not None
    assert found(facts, "usage_drop", monday + timedelta(hours=1)) is not None


def test_a_fallen_fleet_is_named_in_the_evidence() -> None:
    facts = account(PAYING, days=usage([10] * 10 + [4, 4, 4]))
    finding = found(facts, "usage_drop", fleet={LAST_WEEK: 0.8})
    assert finding is not None
    assert (finding.facts["ratio"], finding.evidence[-1].fact, finding.evidence[-1].value) == (
        "0.500",
        "fleet_ratio",
        "0.800",
    )
    silent = account(PAYING, days=usage([10] * 12 + [0]))
    assert found(silent, "usage_drop") is not None
    assert found(silent, "usage_drop", fleet={LAST_WEEK: 0.5}) is None


def test_return_below_the_price_opens_after_half_of_the_term() -> None:
    facts = account(PAYING, objective(200), measured(10, 40))
    finding = sure(facts, "low_roi")
    assert finding.facts["roi"] == "0.8000"
    assert finding.since == ago(10)
    assert finding.evidence[0].text.en.startswith("Return 0.80: 9600.00 USD")
    assert finding.evidence[0].event_ids == ("o=40@10", "o@200")
    assert found(account(PAYING, objective(200), measured(10, 60)), "low_roi") is None
    assert found(account(PAYING, objective(200), measured(10, 60, by="vendor")), "low_roi") is not None
    early = account(
        subscription(300, term_start=date(2026, 11, 1), term_end=date(2027, 11, 1)), objective(200), measured(1, 0)
    )
    assert found(early, "low_roi") is None


def test_falling_behind_the_plan_opens_after_thirty_days_without_a_better_measurement() -> None:
    behind = measured(31, 20)  # of 56 % that were planned by then
    facts = account(objective(200, annual_value=None, currency=None), behind)
    finding = sure(facts, "low_roi")
    assert (finding.facts["roi"], finding.since) == ("", ago(31))
    assert found(facts, "low_roi", ago(2)) is None
    assert next_look(facts, context(ago(2)), DETECTORS) == ago(1)
    better = measured(10, 70)
    assert found(account(objective(200), behind, better), "low_roi") is None


def test_the_price_that_is_told_is_the_annual_price() -> None:
    facts = account(subscription(300, "250/3", **TERM), objective(200), measured(10, 2))
    assert "for a price of 1000.00 USD." in sure(facts, "low_roi").evidence[0].text.en


def test_only_the_rule_that_holds_weighs() -> None:
    lagging = [objective(200, due_in=160), measured(31, 30)]  # of 47 % that were planned by then
    young = subscription(300, "1250", term_start=date(2026, 11, 1), term_end=date(2027, 11, 1))
    early = sure(account(young, *lagging), "low_roi")
    assert (early.severity, early.facts["roi"], early.facts["value_share"]) == ("medium", "0.4800", "0.6391")
    old = subscription(300, "1250", term_start=date(2026, 2, 1), term_end=date(2027, 6, 1))
    assert sure(account(old, *lagging), "low_roi").severity == "high"
    fresh = sure(account(PAYING, objective(200, annual_value=Decimal(60000)), measured(10, 18)), "low_roi")
    assert (fresh.severity, fresh.facts["roi"], fresh.facts["value_share"]) == ("medium", "0.9000", "0.2842")


def test_what_is_not_measured_is_unproven_never_low() -> None:
    facts = account(PAYING, objective(200))
    assert found(facts, "low_roi") is None
    finding = sure(facts, "value_unproven")
    assert [each.fact for each in finding.evidence] == ["no_measurement"]
    assert finding.since == datetime(2026, 5, 3, tzinfo=UTC) + timedelta(days=90)


def test_no_objective_by_day_thirty_is_unproven() -> None:
    start = profile(400, started_on=date(2026, 11, 1))
    assert found(account(start), "value_unproven") is None
    assert next_look(account(start), context(), DETECTORS) == datetime(2026, 12, 1, tzinfo=UTC)
    finding = sure(account(start), "value_unproven", datetime(2026, 12, 1, tzinfo=UTC))
    assert (finding.severity, finding.evidence[0].fact) == ("low", "no_objective")
    near = account(start, subscription(10, term_end=date(2026, 12, 20)))
    assert sure(near, "value_unproven", datetime(2026, 12, 1, tzinfo=UTC)).severity == "medium"


def test_a_customer_counts_from_the_first_revenue_not_from_the_last_term() -> None:
    renewed = account(subscription(300), subscription(3, term_start=date(2026, 11, 16), term_end=date(2027, 11, 16)))
    assert sure(renewed, "value_unproven").evidence[0].value == "2026-01-23"


def test_a_result_that_the_customer_never_confirmed_is_unproven_after_a_year() -> None:
    facts = account(objective(400), measured(5, 50, by="vendor"))
    assert [each.fact for each in sure(facts, "value_unproven").evidence] == ["no_confirmation"]
    assert found(account(objective(400), measured(5, 50)), "value_unproven") is None


def test_nothing_is_said_of_an_account_that_nothing_is_known_of() -> None:
    assert findings(account(), context(), DETECTORS) == ()
    assert next_look(account(), context(), DETECTORS) is None


def test_a_definition_that_does_not_fit_the_detectors_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"signals\.low_roi"):
        detectors({**RULES, "low_roi": {**RULES["low_roi"], "roi": "much"}})
    with pytest.raises(ValueError, match="no detector is called"):
        detectors({**RULES, "bad_weather": {}})
    with pytest.raises(ValueError, match=r"signals\.usage_drop"):
        detectors({name: rule for name, rule in RULES.items() if name != "usage_drop"})


def test_an_amount_in_another_currency_is_not_compared() -> None:
    facts = account(PAYING, objective(200, annual_value=Decimal(1), currency="JPY"), measured(10, 60))
    assert found(facts, "low_roi") is None


def test_an_objective_without_a_way_to_go_is_left_out() -> None:
    facts = account(PAYING, objective(200, target=Decimal(0)), measured(50, 0))
    assert found(facts, "low_roi") is None
