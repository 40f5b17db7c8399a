"""Whether weekly usage has fallen below its own habit, folded week by week. Pure numbers (reference 4.2).

In every week: base = median of the `base_weeks` before the `recent_weeks`, ratio = mean of the recent ones / base. A
decline opens below `drop`, or when the last week alone lies below `cliff`; from then on the base stays what it was,
so that a lasting fall is not forgotten as soon as it has become a habit itself. It ends above `recovered` for
`recovered_weeks`, or after `adopt_weeks`, when the new level is taken for granted.

While the fleet has fallen no week is a cliff: the fleet's ratio is of `recent_weeks` together and cannot tell how much
of a single week's fall is everybody's. An account that stays silent after it is found by the drop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.health.detector import Rule
from services.health.facts import median

UNCORRECTED: Final = 1.0
"""The correction while the fleet has not fallen."""


class DeclineRule(Rule, frozen=True):
    """Numbers of weeks, ratios of the base, and the least base in persons a week.

    A fleet below `fleet_adjust` of its own base is divided out; below `fleet_inhibit` no account is judged. It is
    waited for until `fleet_wait_hours` after the week's end, and takes `fleet_accounts` to be told. A decline to below
    `deep`, or within `renewal_days` of the renewal, is more severe.
    """

    look_back_weeks: int
    base_weeks: int
    least_weeks: int
    least_base: float
    recent_weeks: int
    drop: float
    cliff: float
    recovered: float
    recovered_weeks: int
    adopt_weeks: int
    fleet_adjust: float
    fleet_inhibit: float
    fleet_wait_hours: int
    fleet_accounts: int
    deep: float
    renewal_days: int


@dataclass(frozen=True, slots=True)
class Decline:
    """An open decline; weeks are places in the series.

    `opened` is the week that gave it away, `fell` the first week of the fall, `habit` the weeks whose median is `base`,
    `ratio` the last week's, `worst` the lowest since it opened, `recovering` how many weeks it has looked well again.
    `cliff` says whether the last week alone lies below the rule's, `was_cliff` whether any has since it opened.
    """

    opened: int
    fell: int
    habit: range
    base: float
    ratio: float
    worst: float
    cliff: bool
    was_cliff: bool
    recovering: int = 0


def decline(weeks: Sequence[int], fleet: Sequence[float | None], rule: DeclineRule) -> Decline | None:
    """Return the decline that is open after the last of `weeks` (persons a week, silent ones 0), or None.

    `fleet` holds what the median account made of its base in each of the weeks; None where too few can be compared.
    """
    state: Decline | None = None
    for week in range(len(weeks)):
        correction = _correction(fleet[week], rule)
        if correction is None:
            state = state and replace(state, cliff=False)
        elif state is None:
            state = _opened(weeks[: week + 1], correction, rule)
        else:
            state = _continued(state, weeks[: week + 1], correction, rule)
    return state


def ratio(weeks: Sequence[int], rule: DeclineRule) -> float | None:
    """Return what the last weeks are of the base before them; None where the base is too short or too small."""
    base = _base(weeks, _habit(weeks, rule), rule)
    return None if base is None else _mean(weeks[-rule.recent_weeks :]) / base


def _opened(weeks: Sequence[int], correction: float, rule: DeclineRule) -> Decline | None:
    habit = _habit(weeks, rule)
    base = _base(weeks, habit, rule)
    if base is None:
        return None
    level = _mean(weeks[-rule.recent_weeks :]) / base / correction
    cliff = _is_cliff(weeks, base, correction, rule)
    if not cliff and level >= rule.drop:
        return None
    fell = last = len(weeks) - 1
    while fell > habit.start and weeks[fell - 1] / base / correction < rule.recovered:
        fell -= 1
    return Decline(last, fell, habit, base, level, level, cliff, cliff)


def _continued(state: Decline, weeks: Sequence[int], correction: float, rule: DeclineRule) -> Decline | None:
    level = _mean(weeks[-rule.recent_weeks :]) / state.base / correction
    recovering = state.recovering + 1 if level > rule.recovered else 0
    if recovering >= rule.recovered_weeks or len(weeks) - 1 - state.opened >= rule.adopt_weeks:
        return None
    cliff = _is_cliff(weeks, state.base, correction, rule)
    worst, was_cliff = min(state.worst, level), state.was_cliff or cliff
    return replace(state, ratio=level, worst=worst, cliff=cliff, was_cliff=was_cliff, recovering=recovering)


def _is_cliff(weeks: Sequence[int], base: float, correction: float, rule: DeclineRule) -> bool:
    return correction == UNCORRECTED and weeks[-1] / base < rule.cliff


def _habit(weeks: Sequence[int], rule: DeclineRule) -> range:
    """Return the weeks before the recent ones that tell the habit; it begins with the first usage."""
    first = next((place for place, persons in enumerate(weeks) if persons), len(weeks))
    end = max(0, len(weeks) - rule.recent_weeks)
    return range(max(first, end - rule.base_weeks), end)


def _base(weeks: Sequence[int], habit: range, rule: DeclineRule) -> float | None:
    """Return the median week of the habit; None where it is too short or too small to judge by."""
    base = median([weeks[place] for place in habit])
    return base if len(habit) >= rule.least_weeks and base >= rule.least_base else None


def _correction(fleet: float | None, rule: DeclineRule) -> float | None:
    """Return by what a ratio is divided: the fleet's own when that has fallen, None when it has collapsed."""
    if fleet is None or fleet >= rule.fleet_adjust:
        return UNCORRECTED
    return fleet if fleet >= rule.fleet_inhibit else None


def _mean(weeks: Sequence[int]) -> float:
    return sum(weeks) / len(weeks)
