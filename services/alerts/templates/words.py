"""The words of one language: everything that a message or a page says besides what the signal itself brings along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Phrases with named places. `day` writes a date, `amount` an amount a month with its ISO 4217 currency."""

    language: str
    day: Callable[[date], str]
    amount: Callable[[Decimal, str], str]
    signals: Mapping[str, str]
    severities: Mapping[str, str]
    title: str
    severity: str
    since: str
    mrr: str
    renewal: str
    owner: str
    person: str
    probability: str
    nobody: str
    unknown: str
    evidence: str
    no_evidence: str
    next_step: str
    no_next_step: str
    more: str
    acknowledge: str
    verdicts: Mapping[str, str]
    repeated: str
    missing: str
    late: str
    fallback: str
    summary_title: str
    summary_title_one: str
    summary_accounts: str
    summary_line: str
    summary_by_mrr: str
    summary_by_severity: str
    summary_next_mrr: str
    summary_next_severe: str
    page_question: str
    page_done: str
    page_already: str
    page_bad: str
    page_expired: str
    page_gone: str
    mail_footer: str
