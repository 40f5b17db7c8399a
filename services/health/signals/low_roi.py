"""What was measured is worth less than the price, or lags far behind its plan; never raised without a measurement."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from services.health.detector import Context, Detector, Evidence, Finding, Rule, evidence_of, renewal_is_near, worse
from services.health.facts import AccountFacts, Objective
from services.health.outcome import Reached, reached, roi, term, term_edges, value_share, worth
from shared.events import Text
from shared.mrr import money

NAME: Final = "low_roi"
NEXT_STEP: Final = Text(
    en="Go through the lagging objective with the customer and agree on a plan and a date; tell sales before renewal.",
    ja="遅れている目標を顧客と確認し、対策と期日を合意してください。更新前に営業へ共有してください。",
)


class LowRoiRule(Rule, frozen=True):
    """Limits as shares: `roi` after `term_share` of the term, `value_share` of the expected for `value_days`.

    Less than `least_expected` by plan proves nothing. `confirmed` is the trust in a measurement by who made it. Below
    `deep`, or within `renewal_days` of the renewal, it is more severe.
    """

    roi: Decimal
    term_share: Decimal
    value_share: Decimal
    value_days: int
    least_expected: Decimal
    deep: Decimal
    renewal_days: int
    confirmed: Mapping[str, Decimal]


def detect(facts: AccountFacts, context: Context) -> Sequence[Finding]:
    """Return at most one finding, by whichever of the two rules holds, since the earlier one began to."""
    rule = context.rule(NAME, LowRoiRule)
    objectives = facts.objectives
    standing = reached(facts, objectives, context.as_of)
    if not standing or not facts.is_customer(context.as_of):
        return []
    poor, behind = _poor_since(facts, context, objectives), _behind_since(facts, rule, objectives)
    lagging = behind is not None and behind + timedelta(days=rule.value_days) <= context.as_of
    rules = {"roi": poor, "value_share": behind if lagging else None}
    begun = {name: since for name, since in rules.items() if since is not None}
    if not begun:
        return []
    shown = [_objective_evidence(each) for each in standing]
    if poor is not None:
        shown.insert(0, _roi_evidence(facts, context, standing))
    return [_finding(facts, context, standing, begun, tuple(shown))]


def next_look(facts: AccountFacts, context: Context) -> datetime | None:
    """Return when lagging will have lasted long enough, ROI begins to be judged in this term, or another term runs."""
    rule = context.rule(NAME, LowRoiRule)
    behind = _behind_since(facts, rule, facts.objectives)
    looks = [] if behind is None else [behind + timedelta(days=rule.value_days)]
    due = _judged_from(facts, context, rule)
    looks += [] if due is None else [due]
    looks += [facts.midnight(day) + timedelta(microseconds=1) for day in term_edges(facts)]
    return min((look for look in looks if look > context.as_of), default=None)


def _behind_since(facts: AccountFacts, rule: LowRoiRule, objectives: Sequence[Objective]) -> datetime | None:
    """Return the measurement from which on value has been below its share of the expected, None where it is not."""

    def behind(standing: Sequence[Reached]) -> bool:
        share = value_share(standing, rule.least_expected)
        return share is not None and share < rule.value_share

    return _holds_since(facts, objectives, behind)


def _poor_since(facts: AccountFacts, context: Context, objectives: Sequence[Objective]) -> datetime | None:
    """Return since when ROI has been below the limit, in the part of the term that counts; None where it is not."""
    rule = context.rule(NAME, LowRoiRule)
    arr = facts.arr(context.as_of)
    start = _judged_from(facts, context, rule)
    if start is None or start > context.as_of:
        return None

    def poor(standing: Sequence[Reached]) -> bool:
        found = roi(standing, arr, rule.confirmed)
        return found is not None and found[0] < rule.roi

    since = _holds_since(facts, objectives, poor)
    return None if since is None else max(start, since)


def _holds_since(
    facts: AccountFacts, objectives: Sequence[Objective], test: Callable[[Sequence[Reached]], bool]
) -> datetime | None:
    """Return the first of the latest unbroken run of measurements after each of which `test` holds."""
    since = None
    for at in sorted({each.effective for objective in objectives for each in objective.measurements}):
        since = (since or at) if test(reached(facts, objectives, at)) else None
    return since


def _judged_from(facts: AccountFacts, context: Context, rule: LowRoiRule) -> datetime | None:
    running = term(facts, context.as_of)
    if running is None:
        return None
    start, end = running
    return facts.midnight(start + timedelta(days=int((end - start).days * rule.term_share)))


def _finding(
    facts: AccountFacts,
    context: Context,
    standing: Sequence[Reached],
    begun: Mapping[str, datetime],
    evidence: tuple[Evidence, ...],
) -> Finding:
    """Say what holds; `begun` has the rules that do, since when. The others' values are told but weigh nothing yet."""
    rule = context.rule(NAME, LowRoiRule)
    found = roi(standing, facts.arr(context.as_of), rule.confirmed)
    values = {"roi": found and found[0], "value_share": value_share(standing, rule.least_expected)}
    lowest = min(value for name, value in values.items() if name in begun and value is not None)
    steps = int(lowest < rule.deep) + renewal_is_near(facts, context, rule.renewal_days)
    return Finding(
        signal=NAME,
        severity=worse("medium", steps),
        since=min(begun.values()),
        evidence=evidence,
        next_step=NEXT_STEP,
        facts={
            **{name: "" if value is None else str(value) for name, value in values.items()},
            "objectives": str(len(standing)),
        },
    )


def _objective_evidence(each: Reached) -> Evidence:
    text = Text(
        en=f"{each.terms.title}: {each.progress:.0%} of the way, {each.expected:.0%} were planned by then.",
        ja=f"{each.terms.title}: 達成率{each.progress:.0%}(計画では{each.expected:.0%})。",
    )
    return evidence_of(each.measurement, "objective_measured", text, str(each.measurement.value))


def _roi_evidence(facts: AccountFacts, context: Context, standing: Sequence[Reached]) -> Evidence:
    """Return the ratio with its two amounts; only called where it can be computed."""
    rule = context.rule(NAME, LowRoiRule)
    arr = facts.arr(context.as_of)
    found = roi(standing, arr, rule.confirmed)
    value, currency = found if found is not None else (Decimal(0), "")
    counted = [each for each in standing if each.terms.currency == currency]
    made, price = money(worth(counted, rule.confirmed)), money(arr.get(currency, Decimal(0)))
    text = Text(
        en=f"Return {value:.2f}: {made} {currency} of confirmed value a year for a price of {price} {currency}.",
        ja=f"投資対効果 {value:.2f}: 年額{price} {currency}に対し、確認済みの価値は{made} {currency}。",
    )
    last = max((each.measurement for each in counted), key=lambda each: each.order)
    ids = tuple(sorted({fact.event_id for each in counted for fact in (each.terms, each.measurement)}))
    return Evidence("roi", text, str(value), last.effective, ids, all(each.measurement.backfill for each in counted))


PLUGIN = Detector(NAME, {NAME: Text(en="Return is too low", ja="投資対効果の不足")}, LowRoiRule, detect, next_look)
