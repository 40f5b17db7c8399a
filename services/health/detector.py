"""What a detector is: facts of one account in, the risks that hold out.

A detector is a module in `signals/` that ends in `PLUGIN = Detector(…)`, and a section of the definition that holds its
numbers. Its functions are pure: they read only the facts they are given and no clock, and remember nothing between
runs; hysteresis is folded from the facts. `tests/contracts/test_signals.py` holds every detector to that unnamed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, TypeVar

import msgspec

from services.health.facts import AccountFacts
from services.health.record import Fact
from shared.events import Text

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")
LATE: Final = timedelta(hours=24)
"""What is learned later than this after it happened is told as late news."""

R = TypeVar("R", bound="Rule")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a detector's numbers as the definition gives them; it has no defaults, so that none hides in code."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: `fact` names it for machines, `event_ids` or `at` (start of a week, a date) lead back to the facts.

    `recorded` is when the fact was learned, None where many facts are summed up; `backfill` marks history.
    """

    fact: str
    text: Text
    value: str | None
    at: datetime
    event_ids: tuple[str, ...] = ()
    backfill: bool = False
    recorded: datetime | None = None

    @property
    def late(self) -> bool:
        """Whether this was learned more than a day after it happened."""
        return self.recorded is not None and self.recorded - self.at > LATE


@dataclass(frozen=True, slots=True)
class Finding:
    """A risk that holds, since when (effective time), why, and what to do about it.

    `subject_id` tells apart several of one signal in one account (a contact's id), else "". `single` is true where each
    piece of evidence proves the risk alone (somebody left); where many facts are summed up (weeks of usage, what is
    missing) half of the history proves nothing, so the account's whole history counts. `facts` feed templates.
    """

    signal: str
    severity: Severity
    since: datetime
    evidence: tuple[Evidence, ...]
    next_step: Text
    subject_id: str = ""
    single: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether some evidence is not marked history."""
        return any(not each.backfill for each in self.evidence)

    @property
    def late(self) -> bool:
        """Whether all that is not history came more than a day late."""
        fresh = [each for each in self.evidence if not each.backfill]
        return bool(fresh) and all(each.late for each in fresh)


@dataclass(frozen=True, slots=True)
class Context:
    """What a detector may know beside the facts.

    `rules` are the definition's `signals` sections by detector. `fleet` says by the Monday of a complete week what the
    median account of the same segment made of its own base in the weeks up to it: None = too few accounts to tell;
    a week that is absent has not been judged yet.
    """

    as_of: datetime
    rules: Mapping[str, Mapping[str, Any]]
    fleet: Mapping[date, float | None] = field(default_factory=dict)

    def rule(self, detector: str, kind: type[R]) -> R:
        """Return a detector's numbers.

        Raises:
            msgspec.ValidationError: the definition lacks one, or has one that the detector does not know.

        """
        return msgspec.convert(self.rules.get(detector, {}), kind)


@dataclass(frozen=True, slots=True)
class Detector:
    """`detect` returns what holds at `context.as_of`; `next_look` when time alone may change that (None: never).

    `titles` names every signal that it may raise, in English and Japanese. Both functions get facts that end at
    `context.as_of`.
    """

    name: str
    titles: Mapping[str, Text]
    rule: type[Rule]
    detect: Callable[[AccountFacts, Context], Sequence[Finding]]
    next_look: Callable[[AccountFacts, Context], datetime | None]


def worse(severity: Severity, steps: int) -> Severity:
    """Return a severity so many steps higher, at most critical."""
    return SEVERITIES[min(len(SEVERITIES) - 1, SEVERITIES.index(severity) + steps)]


def renewal_is_near(facts: AccountFacts, context: Context, days: int) -> bool:
    """Tell whether the account's next renewal lies within so many days from now."""
    renewal = facts.renewal_on(context.as_of)
    return renewal is not None and 0 <= (renewal - facts.day_of(context.as_of)).days <= days


def evidence_of(fact: Fact, name: str, text: Text, value: str | None) -> Evidence:
    """Return one fact as evidence that names its event."""
    return Evidence(name, text, value, fact.effective, (fact.event_id,), fact.backfill, fact.recorded)
