"""Objective progress: how far the customer has come towards its own goals, against how far it should be by now."""

from datetime import datetime

from services.health.facts import AccountFacts, Objective
from services.health.measure import Measure, Reading, age_days

CONFIRMED = {"customer": 1.0, "vendor": 0.6, "estimate": 0.3}
MOST_PROGRESS = 1.2
FORGOTTEN_DAYS = 180


def read(facts: AccountFacts, as_of: datetime) -> Reading | None:
    """Return progress over expected progress (0 to 1.2), a mean weighted by who confirmed each measurement.

    Progress is (value - baseline) / (target - baseline) clipped to 0…1.2; expected grows in a line from start to due
    date, and nothing is expected on the first day. None without a measured objective that is not 180 days overdue.
    """
    view = facts.at(as_of)
    today = view.day_of(as_of)
    live = [
        each for each in view.objectives if each.measurements and (today - each.terms.due_on).days <= FORGOTTEN_DAYS
    ]
    if not live:
        return None
    weights = [CONFIRMED.get(each.measurements[-1].by, min(CONFIRMED.values())) for each in live]
    values = [_against_plan(view, each, as_of) for each in live]
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    basis = tuple(fact for each in live for fact in (each.terms, each.measurements[-1]))
    return Reading(mean, basis, min(age_days(as_of, each.measurements[-1].effective) for each in live))


def _against_plan(view: AccountFacts, objective: Objective, as_of: datetime) -> float:
    terms, last = objective.terms, objective.measurements[-1]
    if terms.target == terms.baseline:
        return 1.0
    progress = float((last.value - terms.baseline) / (terms.target - terms.baseline))
    progress = min(MOST_PROGRESS, max(0.0, progress))
    start = terms.start_on or view.day_of(objective.first_set)
    total = (terms.due_on - start).days
    expected = min(1.0, (view.day_of(as_of) - start).days / total) if total > 0 else 1.0
    return MOST_PROGRESS if expected <= 0 else min(MOST_PROGRESS, progress / expected)


PLUGIN = Measure("objective_progress", "ratio", {"en": "Progress towards objectives", "ja": "目標の進捗・計画比"}, read)
