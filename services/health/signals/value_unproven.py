"""Nobody can say what the customer gets for the price: no objective, none measured lately, none that they confirmed."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from services.health.detector import Context, Detector, Evidence, Finding, Rule, renewal_is_near, worse
from services.health.facts import AccountFacts
from services.health.outcome import begins
from services.health.record import SubscriptionState
from shared.events import Text

NAME: Final = "value_unproven"
NEXT_STEP: Final = Text(
    en="Agree with the customer on one measurable objective, or measure the one that exists, in the next call.",
    ja="次回の打ち合わせで、測定できる目標を一つ合意するか、既存の目標を測定してください。",
)
CUSTOMER: Final = "customer"


class UnprovenRule(Rule, frozen=True):
    """Days without an objective from the start, without a measurement, without a confirmation by the customer."""

    first_objective_days: int
    measurement_days: int
    confirmation_days: int
    renewal_days: int


def detect(facts: AccountFacts, context: Context) -> Sequence[Finding]:
    """Return at most one finding, naming every gap that has lasted too long."""
    if not facts.is_customer(context.as_of):
        return []
    rule = context.rule(NAME, UnprovenRule)
    gaps = tuple(gap for gap in _gaps(facts, context, rule) if gap.at <= context.as_of)
    if not gaps:
        return []
    near = renewal_is_near(facts, context, rule.renewal_days)
    return [
        Finding(
            signal=NAME,
            severity=worse("low", int(near)),
            since=min(gap.at for gap in gaps),
            evidence=gaps,
            next_step=NEXT_STEP,
            facts={"objectives": str(len(facts.objectives)), "gaps": ", ".join(gap.fact for gap in gaps)},
        )
    ]


def next_look(facts: AccountFacts, context: Context) -> datetime | None:
    """Return when the next gap will have lasted too long."""
    gaps = _gaps(facts, context, context.rule(NAME, UnprovenRule))
    return min((gap.at for gap in gaps if gap.at > context.as_of), default=None)


def _gaps(facts: AccountFacts, context: Context, rule: UnprovenRule) -> Iterator[Evidence]:
    """Yield the gaps that hold now or will when nothing comes, each dated to the moment from which it is one."""
    objectives = facts.objectives
    if not objectives:
        start = _customer_since(facts, context)
        if start is not None:
            at = facts.midnight(start + timedelta(days=rule.first_objective_days))
            yield Evidence("no_objective", _NO_OBJECTIVE, str(start), at, backfill=_is_history(facts))
        return
    first = min(begins(facts, each) for each in objectives)
    measurements = [each for objective in objectives for each in objective.measurements]
    confirmed = [each for each in measurements if each.by == CUSTOMER]
    for name, text, days, done in (
        ("no_measurement", _NO_MEASUREMENT, rule.measurement_days, measurements),
        ("no_confirmation", _NO_CONFIRMATION, rule.confirmation_days, confirmed),
    ):
        last = max(done, key=lambda each: each.order, default=None)
        day = first if last is None else facts.day_of(last.effective)
        basis = last or objectives[0].terms
        at = facts.midnight(day + timedelta(days=days))
        yield Evidence(name, text, str(day), at, (basis.event_id,), basis.backfill)


def _customer_since(facts: AccountFacts, context: Context) -> date | None:
    """Return the day on which the account became a customer, as far as is known."""
    started: date | None = facts.profile.get("started_on")
    if started is not None:
        return started
    paid = [each for each in facts.of(SubscriptionState) if each.mrr > 0]
    starts = [each.term_start or facts.day_of(each.effective) for each in paid]
    if starts or facts.first_seen is None:
        return min(starts, default=None)
    return facts.day_of(min(facts.first_seen, context.as_of))


def _is_history(facts: AccountFacts) -> bool:
    return all(fact.backfill for fact in facts.log) and all(day.backfill for day in facts.usage)


_NO_OBJECTIVE: Final = Text(
    en="No objective has been agreed with the customer.", ja="顧客と合意した目標が登録されていません。"
)
_NO_MEASUREMENT: Final = Text(
    en="No objective has been measured for a long time.", ja="目標の測定が長期間行われていません。"
)
_NO_CONFIRMATION: Final = Text(
    en="The customer has not confirmed a result for a long time.", ja="成果について顧客の確認が長期間ありません。"
)

PLUGIN = Detector(NAME, {NAME: Text(en="Value is not proven", ja="価値の未確認")}, UnprovenRule, detect, next_look)
