"""Whether a champion has left: a probability folded from reports about the person and from what they did afterwards.

logit p = logit(prior) + the strongest report of each group, halved every half-life; a report by a person sets p.
Later usage by that person, or somebody saying that they are active, disproves all reports before it; a champion named
after the leaving ends the matter for good, also if that one leaves in turn. Weights: reference 4.3, starting points
that a backtest may replace.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from heapq import nlargest
from math import exp, log, log2
from typing import Final

from services.health.detector import Rule
from services.health.facts import DECISION_ROLES, AccountFacts, Contact
from services.health.record import ContactPatch, LeftReport

CHAMPION: Final = "champion"
HUMAN: Final = "human"
BOUNCED: Final = "mail_bounced"
GROUPS: Final = {"deactivated": "identity", BOUNCED: "mail", "auto_reply": "mail", "company_changed": "external"}
"""Reports of one group repeat one another; of different groups they confirm one another."""


class ChampionRule(Rule, frozen=True):
    """Probabilities; log-odds by kind of report (`mail_bounced_again`: from the second bounce on) and their half-life.

    After `memory_days` a report counts no more, whoever made it.
    """

    prior: float
    human: float
    alert: float
    verify: float
    half_life_days: float
    memory_days: int
    log_odds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Leaving:
    """A champion of whom it is said that they left; `reports` are those that nothing has disproved, oldest first."""

    contact: Contact
    reports: tuple[LeftReport, ...]
    probability: float

    @property
    def since(self) -> datetime:
        """When the first of the reports holds from."""
        return self.reports[0].effective


def leavings(facts: AccountFacts, as_of: datetime, rule: ChampionRule) -> tuple[Leaving, ...]:
    """Return the champions who may have left and have no successor, whatever the probability, by contact id."""
    view = facts.at(as_of)
    if not view.of(LeftReport):
        return ()  # the usual case, and a score asks for 30 midnights
    histories = _histories(view, as_of - timedelta(days=rule.memory_days))
    gone = {key: probability(each.reports, as_of, rule) for key, each in histories.items() if each.reports}
    heirs = _heirs(histories, as_of, rule)
    found = []
    for key in sorted(gone):
        history = histories[key]
        succeeded = any(began > history.reports[0].effective for began, heir in heirs if heir != key)
        if history.was_champion and not succeeded:
            found.append(Leaving(history.contact, tuple(history.reports), gone[key]))
    return tuple(found)


def deciders(facts: AccountFacts, as_of: datetime, rule: ChampionRule) -> frozenset[str]:
    """Return the ids of the active contacts with a say in the decision who have not left."""
    histories = _histories(facts.at(as_of), as_of - timedelta(days=rule.memory_days))
    return frozenset(
        key
        for key, each in histories.items()
        if each.contact.active and DECISION_ROLES.intersection(each.contact.roles)
        if probability(each.reports, as_of, rule) < rule.verify
    )


def probability(reports: Iterable[LeftReport], as_of: datetime, rule: ChampionRule) -> float:
    """Return p (0 to 1) that the person has left, from reports that nothing has disproved."""
    reports = tuple(reports)
    odds = log(rule.prior / (1 - rule.prior)) + sum(_strongest(reports, as_of, rule).values())
    p = 1 / (1 + exp(-odds))
    return max(p, rule.human) if any(each.evidence == HUMAN for each in reports) else p


def fades_at(reports: Iterable[LeftReport], as_of: datetime, rule: ChampionRule) -> datetime | None:
    """Return when p falls through the next threshold below it; None where it is below both already."""
    reports = tuple(reports)
    human = [each.effective for each in reports if each.evidence == HUMAN]
    if human:
        return max(human) + timedelta(days=rule.memory_days)
    total = sum(_strongest(reports, as_of, rule).values())
    levels = (log(p / (1 - p)) - log(rule.prior / (1 - rule.prior)) for p in (rule.alert, rule.verify))
    reached = max((level for level in levels if level <= total), default=None)
    if reached is None:
        return None
    return as_of + timedelta(days=rule.half_life_days * log2(total / reached), seconds=1)


@dataclass(slots=True)
class _History:
    """What was said of one contact: standing reports, and since when they hold the role of champion.

    `spells` says when each spell as champion began in which they were active at any time; it stays when they go.
    """

    contact: Contact
    reports: list[LeftReport] = field(default_factory=list)
    active: bool = True
    champion_since: datetime | None = None
    spells: list[datetime] = field(default_factory=list)
    was_champion: bool = False


def _histories(view: AccountFacts, oldest: datetime) -> dict[str, _History]:
    histories = {key: _History(contact) for key, contact in view.contacts.items()}
    for fact in view.log:
        if isinstance(fact, LeftReport):
            histories[fact.contact_id].reports.append(fact)
        elif isinstance(fact, ContactPatch):
            _heed(histories[fact.contact_id], fact)
    seen = view.last_seen(each.contact.person for each in histories.values() if each.reports)
    for each in histories.values():
        recent = [report for report in each.reports if report.effective > oldest]
        each.reports = _not_used_since(view, seen.get(each.contact.person), recent)
    return histories


def _heed(history: _History, patch: ContactPatch) -> None:
    if patch.changes.get("active"):
        history.reports.clear()
    if "active" in patch.changes:
        history.active = patch.changes["active"] is not False
    if "roles" in patch.changes:
        is_champion = CHAMPION in (patch.changes["roles"] or ())
        history.champion_since = (history.champion_since or patch.effective) if is_champion else None
        history.was_champion |= is_champion
    began = history.champion_since
    if history.active and began is not None and began not in history.spells[-1:]:
        history.spells.append(began)


def _not_used_since(view: AccountFacts, last: date | None, reports: list[LeftReport]) -> list[LeftReport]:
    """Drop reports that are followed by usage on a later day: of the same day it cannot be told which came first."""
    if last is None:
        return reports
    return [each for each in reports if each.effective.astimezone(view.zone).date() >= last]


def _heirs(histories: Mapping[str, _History], as_of: datetime, rule: ChampionRule) -> list[tuple[datetime, str]]:
    """Return the two who became champion last and when: one of them is not the person who left."""
    began = ((_took_over(each, as_of, rule), key) for key, each in histories.items())
    return nlargest(2, [(at, key) for at, key in began if at is not None])


def _took_over(history: _History, as_of: datetime, rule: ChampionRule) -> datetime | None:
    """Return when they became champion last without having left before: a list that nobody keeps names them still."""

    def had_left(at: datetime) -> bool:
        before = [each for each in history.reports if each.effective <= at]
        return bool(before) and probability(before, as_of, rule) >= rule.verify

    good = bisect_left(history.spells, 1, key=had_left)  # once they had left they had: reports only add up
    return history.spells[good - 1] if good else None


def _strongest(reports: tuple[LeftReport, ...], as_of: datetime, rule: ChampionRule) -> dict[str, float]:
    """Return the log-odds of the strongest report of each group, faded."""
    strongest: dict[str, float] = {}
    bounces = 0
    for report in reports:
        if report.evidence not in GROUPS:
            continue
        bounces += report.evidence == BOUNCED
        kind = "mail_bounced_again" if report.evidence == BOUNCED and bounces > 1 else report.evidence
        age = (as_of - report.effective) / timedelta(days=rule.half_life_days)
        group = GROUPS[report.evidence]
        strongest[group] = max(strongest.get(group, 0.0), rule.log_odds[kind] * 0.5 ** max(0.0, age))
    return strongest
