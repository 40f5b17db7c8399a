"""Sentiment: what people of the account say when they are asked."""

from datetime import datetime

from services.health.facts import AccountFacts
from services.health.measure import Measure, Reading, age_days
from services.health.record import Survey

HALF_LIFE_DAYS = 90.0
FORGOTTEN_DAYS = 180.0


def read(facts: AccountFacts, as_of: datetime) -> Reading | None:
    """Return the mean answer in % of its scale, halved in weight every 90 days; None without one of the last 180 days.

    Of one person's answers to one kind of survey only the last counts; answers without a name all count.
    """
    latest: dict[tuple[str, str], Survey] = {}
    for answer in facts.at(as_of).surveys:
        latest[(answer.survey, answer.contact_id or f"?{answer.source}?{answer.event_id}")] = answer
    aged = [(answer, age_days(as_of, answer.effective)) for answer in latest.values() if answer.high > answer.low]
    recent = [(answer, age) for answer, age in aged if age <= FORGOTTEN_DAYS]
    if not recent:
        return None
    weights = [2 ** (-age / HALF_LIFE_DAYS) for _, age in recent]
    values = [_percent(answer) for answer, _ in recent]
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    return Reading(mean, tuple(answer for answer, _ in recent), min(age for _, age in recent))


def _percent(answer: Survey) -> float:
    share = float((answer.score - answer.low) / (answer.high - answer.low))
    return 100 * min(1.0, max(0.0, share))


PLUGIN = Measure("sentiment", "%", {"en": "Sentiment in surveys", "ja": "アンケートの満足度"}, read)
