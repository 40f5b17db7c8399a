"""Fewer people use the product than was this account's own habit: a lasting drop, or a cliff within one week."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from services.health.decline import Decline, DeclineRule, decline
from services.health.detector import Context, Detector, Evidence, Finding, Severity, renewal_is_near, worse
from services.health.facts import AccountFacts
from shared.events import Text

NAME: Final = "usage_drop"
WEEK: Final = timedelta(weeks=1)
CALL: Final = Text(
    en="Call the customer: who stopped, and what changed at that time? Offer those who stopped a session.",
    ja="誰がいつから使わなくなったのか、何があったのかを電話で確認し、該当者に活用支援を提案してください。",
)
RESCUE: Final = Text(
    en="Usage has almost ended: find out today whether something is broken or another product took over.",
    ja="利用がほぼ止まっています。障害や他製品への乗り換えがないか、本日中に確認してください。",
)


def detect(facts: AccountFacts, context: Context) -> Sequence[Finding]:
    """Return at most one finding: the decline that is open after the last complete week."""
    rule = context.rule(NAME, DeclineRule)
    if not facts.usage or not facts.is_customer(context.as_of):
        return []
    last = _last_week(facts, context, rule)
    first = last - (rule.look_back_weeks - 1) * WEEK
    weeks = facts.weekly_persons(facts.midnight(last + WEEK), rule.look_back_weeks)
    fleet = [context.fleet.get(first + place * WEEK) for place in range(len(weeks))]
    found = decline(weeks, fleet, rule)
    if found is None:
        return []
    series = {first + place * WEEK: persons for place, persons in enumerate(weeks)}
    return [_finding(facts, context, found, series)]


def next_look(facts: AccountFacts, context: Context) -> datetime | None:
    """Return when the next week can be judged whatever the fleet; None for an account that was never in use."""
    if not facts.usage:
        return None
    rule = context.rule(NAME, DeclineRule)
    last = facts.last_complete_week(context.as_of)
    looks = (_fleet_deadline(facts, week, rule) for week in (last, last + WEEK))
    return next(look for look in looks if look > context.as_of)


def _last_week(facts: AccountFacts, context: Context, rule: DeclineRule) -> date:
    """Return the Monday of the last week that can be judged: complete, the fleet known or waited for long enough."""
    last = facts.last_complete_week(context.as_of)
    waiting = last not in context.fleet and context.as_of < _fleet_deadline(facts, last, rule)
    return last - WEEK if waiting else last


def _fleet_deadline(facts: AccountFacts, week: date, rule: DeclineRule) -> datetime:
    return facts.midnight(week + WEEK) + timedelta(hours=rule.fleet_wait_hours)


def _finding(facts: AccountFacts, context: Context, found: Decline, series: Mapping[date, int]) -> Finding:
    mondays = list(series)
    return Finding(
        signal=NAME,
        severity=_severity(facts, context, found),
        since=facts.midnight(mondays[found.fell]),
        evidence=tuple(_evidence(facts, context, found, series)),
        next_step=RESCUE if found.cliff else CALL,
        facts={
            "base": f"{found.base:g}",
            "ratio": f"{found.ratio:.3f}",
            "fall_percent": f"{max(0.0, 1 - found.ratio):.0%}".rstrip("%"),
            "last_week": str(series[mondays[-1]]),
            "kind": "cliff" if found.cliff else "drop",
        },
    )


def _severity(facts: AccountFacts, context: Context, found: Decline) -> Severity:
    """Return how bad it is: by the deepest it went, the account's tier and how near the renewal is."""
    rule = context.rule(NAME, DeclineRule)
    steps = int(facts.profile.get("tier") == "high") + renewal_is_near(facts, context, rule.renewal_days)
    return worse("high" if found.was_cliff or found.worst < rule.deep else "medium", steps)


def _evidence(facts: AccountFacts, context: Context, found: Decline, series: Mapping[date, int]) -> list[Evidence]:
    """Return the base with its weeks, the last weeks, and the fleet where it was divided out."""
    rule = context.rule(NAME, DeclineRule)
    mondays = list(series)
    habit = [mondays[place] for place in found.habit]
    base = Evidence(
        "usage_base",
        Text(
            en=f"Habit: {found.base:g} people a week (median of the weeks from {habit[0]} to {habit[-1]}).",
            ja=f"通常の利用者数: 週{found.base:g}人({habit[0]}から{habit[-1]}の週の中央値)。",
        ),
        f"{found.base:g}",
        facts.midnight(habit[0]),
        backfill=_is_history(facts, habit[0], habit[-1]),
    )
    recent = [_week(facts, monday, series[monday]) for monday in mondays[-rule.recent_weeks :]]
    return [base, *recent, *_fleet(facts, context, mondays[-1], rule)]


def _week(facts: AccountFacts, monday: date, persons: int) -> Evidence:
    text = Text(
        en=f"{persons} {'person' if persons == 1 else 'people'} in the week of {monday}.",
        ja=f"{monday}の週の利用者数: {persons}人。",
    )
    history = _is_history(facts, monday, monday)
    return Evidence("usage_week", text, str(persons), facts.midnight(monday), backfill=history)


def _fleet(facts: AccountFacts, context: Context, monday: date, rule: DeclineRule) -> list[Evidence]:
    ratio = context.fleet.get(monday)
    if ratio is None or ratio >= rule.fleet_adjust:
        return []
    share = Decimal(str(ratio)).quantize(Decimal("0.001"))
    text = Text(
        en=f"The median account fell to {share:.0%} of its habit; that is taken out.",
        ja=f"顧客全体の中央値も通常の{share:.0%}に減少しており、その分は除いて判定しています。",
    )
    return [Evidence("fleet_ratio", text, str(share), facts.midnight(monday))]


def _is_history(facts: AccountFacts, first: date, last: date) -> bool:
    """Tell whether the usage of some weeks is marked history; a silent week is as live as what is around it."""
    days = facts.usage_between(first, last + timedelta(days=6))
    return all(day.backfill for day in days or facts.usage[-1:])


PLUGIN = Detector(NAME, {NAME: Text(en="Usage has fallen", ja="利用の減少")}, DeclineRule, detect, next_look)
