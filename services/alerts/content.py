"""Turns what we know into what a message says, in one person's language. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.alerts.directory import worth_saying
from services.alerts.message import Button, Fact, Line, Message, one_line
from services.alerts.templates import LANGUAGES, Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from services.alerts.directory import Account
    from services.alerts.episode import Alert
    from services.alerts.links import Action, Links
    from services.alerts.routing import Recipient
    from shared.events import Text

VERDICTS: tuple[Action, ...] = ("true", "false_alarm", "duplicate", "known")
MOST_LINES = 12
LONGEST_VALUE = 200
LONGEST_LINE = 300
LONGEST_STEP = 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One alert to speak of. `delivery` is (id, when planned); `missing` names topics whose data was not waited for."""

    alert: Alert
    account: Account
    delivery: tuple[str, datetime]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes messages. `zone` is the vendor's, used for people who have not said theirs."""

    links: Links
    zone: ZoneInfo

    def alert(self, topic: Topic, to: Recipient, *, repeated: bool = False) -> Message:
        """Write about one alert: what, since when, what is at stake, why we think so, what to do next."""
        words, latest = LANGUAGES[to.language], topic.alert.latest
        evidence = latest.evidence or topic.alert.evidence
        lines = tuple(Line(one_line(_text(each.text, words), LONGEST_LINE)) for each in evidence[-MOST_LINES:])
        step = _text(latest.next_step, words) if latest.next_step else words.no_next_step
        return Message(
            language=words.language,
            title=title(topic.alert, topic.account, words),
            facts=self._facts(topic, to, words),
            lines_label=words.evidence,
            lines=lines or (Line(words.no_evidence),),
            more=words.more,
            next_step=Fact(words.next_step, one_line(step, LONGEST_STEP)),
            buttons=self._buttons(topic, to, words),
            notes=_notes(topic, to, words, repeated=repeated),
        )

    def summary(self, topics: Sequence[Topic], to: Recipient, *, repeated: bool = False) -> Message:
        """Write about many alerts at once: the most MRR at stake first; the most severe where that does not compare."""
        words = LANGUAGES[to.language]
        accounts = {each.account.account_id: each.account for each in topics}
        total = _summed(accounts.values())
        by_mrr = len(total) == 1 and any(total.values())
        ordered = sorted(topics, key=_by_mrr if by_mrr else _by_severity)
        heading = words.summary_title_one if len(ordered) == 1 else words.summary_title
        return Message(
            language=words.language,
            title=heading.format(count=len(ordered)),
            facts=(
                Fact(words.summary_accounts, str(len(accounts))),
                Fact(words.mrr, _mrr(total, words)),
            ),
            lines_label=words.summary_by_mrr if by_mrr else words.summary_by_severity,
            lines=tuple(self._summary_line(each, to, words) for each in ordered),
            more=words.more,
            next_step=Fact(words.next_step, words.summary_next_mrr if by_mrr else words.summary_next_severe),
            notes=(words.repeated,) if repeated else (),
        )

    def _facts(self, topic: Topic, to: Recipient, words: Words) -> tuple[Fact, ...]:
        account, alert = topic.account, topic.alert
        owner = next((account.owners[role] for role in ("csm", "manager") if role in account.owners), None)
        return (
            *_person(alert, words),
            *_probability(alert, words),
            Fact(words.severity, words.severities.get(alert.severity, alert.severity)),
            Fact(words.since, self._instant(alert.latest.since, to, words)),
            Fact(words.mrr, _mrr(account.mrr, words)),
            Fact(words.renewal, words.day(account.renewal_on) if account.renewal_on else words.unknown),
            Fact(words.owner, one_line(owner.name or owner.id, LONGEST_VALUE) if owner else words.nobody),
        )

    def _summary_line(self, topic: Topic, to: Recipient, words: Words) -> Line:
        text = words.summary_line.format(
            account=one_line(topic.account.name, 80),
            signal=_signal(topic.alert, words),
            severity=words.severities.get(topic.alert.severity, topic.alert.severity),
            since=words.day(topic.alert.latest.since.astimezone(self._zone(to))),
            mrr=_mrr(topic.account.mrr, words),
        )
        return Line(one_line(text, LONGEST_LINE), self._button(topic, to, words, "acknowledge"))

    def _buttons(self, topic: Topic, to: Recipient, words: Words) -> tuple[Button, ...]:
        return tuple(self._button(topic, to, words, action) for action in ("acknowledge", *VERDICTS))

    def _button(self, topic: Topic, to: Recipient, words: Words, action: Action) -> Button:
        claim = self.links.claim(topic.alert.id, action, (to.person, to.language), topic.delivery)
        label = words.acknowledge if action == "acknowledge" else words.verdicts[action]
        return Button(action, label, self.links.url(claim), primary=action == "acknowledge")

    def _instant(self, value: datetime, to: Recipient, words: Words) -> str:
        zone = self._zone(to)
        there = value.astimezone(zone)
        return f"{words.day(there)} {there:%H:%M} ({zone.key})"

    def _zone(self, to: Recipient) -> ZoneInfo:
        try:
            return ZoneInfo(to.time_zone) if to.time_zone else self.zone
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return self.zone  # a zone that nobody knows must not keep the message back


def _person(alert: Alert, words: Words) -> tuple[Fact, ...]:
    """Name the person whom a signal is about, with the title, where it is about one."""
    named = [str(alert.latest.facts[name]) for name in ("contact", "title") if alert.latest.facts.get(name)]
    return (Fact(words.person, one_line(", ".join(named), LONGEST_VALUE)),) if named else ()


def _probability(alert: Alert, words: Words) -> tuple[Fact, ...]:
    """Say how likely it is, where the signal does."""
    try:
        likely = Decimal(str(alert.latest.facts.get("probability", "")))
    except InvalidOperation:
        return ()
    return (Fact(words.probability, f"{likely:.0%}"),) if likely.is_finite() and 0 <= likely <= 1 else ()


def title(alert: Alert, account: Account, words: Words) -> str:
    """Say in one line whom and what an alert is about."""
    return words.title.format(account=one_line(account.name, 80), signal=_signal(alert, words))


def _signal(alert: Alert, words: Words) -> str:
    """Name what the signal says; one that this language has no words for shows its machine name, readable."""
    name = alert.latest.signal
    return words.signals.get(_nuance(alert)) or one_line(name.replace("_", " "), 60)


def _nuance(alert: Alert) -> str:
    """Tell apart what one signal may mean: a suspicion is no fact, and value behind its plan is no low return."""
    latest = alert.latest
    if latest.signal == "champion_left" and latest.facts.get("certain") == "no":
        return "champion_may_have_left"
    if latest.signal == "low_roi" and all(each.fact != "roi" for each in latest.evidence):
        return "value_behind_plan"  # a return is among the evidence only where it is too low
    return latest.signal


def _notes(topic: Topic, to: Recipient, words: Words, *, repeated: bool) -> tuple[str, ...]:
    notes = []
    if repeated:
        notes.append(words.repeated)
    if topic.alert.latest.late:
        notes.append(words.late)
    if topic.missing:
        notes.append(words.missing.format(topics=", ".join(topic.missing)))
    if to.tier != "csm" and "csm" in topic.account.owners:
        notes.append(words.fallback)
    return tuple(notes)


def _text(text: Text, words: Words) -> str:
    return text.ja if words.language == "ja" else text.en


def _mrr(amounts: Mapping[str, Decimal], words: Words) -> str:
    return " + ".join(words.amount(amounts[each], each) for each in sorted(amounts)[:5]) or words.unknown


def _by_mrr(topic: Topic) -> tuple[Decimal, int, str]:
    return (-topic.account.at_stake, -topic.alert.rank, topic.alert.id)


def _by_severity(topic: Topic) -> tuple[int, datetime, str]:
    return (-topic.alert.rank, topic.alert.latest.since, topic.alert.id)


def _summed(accounts: Iterable[Account]) -> dict[str, Decimal]:
    """Sum per currency, as an account's own amounts are kept."""
    sums: dict[str, Decimal] = {}
    for account in accounts:
        for currency, amount in account.mrr.items():
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    return worth_saying(sums)
