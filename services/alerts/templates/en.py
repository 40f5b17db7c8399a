"""English."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.alerts.templates.words import Words

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WITHOUT_DECIMALS: Final = frozenset({"JPY", "KRW", "VND", "CLP"})


def day(value: date) -> str:
    """Write a date: 12 March 2026."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def amount(value: Decimal, currency: str) -> str:
    """Write an amount a month: USD 1,200.00 a month, JPY 120,000 a month."""
    places = 0 if currency in WITHOUT_DECIMALS else 2
    return f"{currency} {value:,.{places}f} a month"


WORDS = Words(
    language="en",
    day=day,
    amount=amount,
    signals={
        "champion_left": "champion has left",
        "champion_may_have_left": "champion may have left",
        "usage_drop": "usage has dropped",
        "low_roi": "return is too low",
        "value_behind_plan": "value is behind its plan",
        "value_unproven": "value has not been proven",
    },
    severities={"low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"},
    title="{account}: {signal}",
    severity="Severity",
    since="Since",
    mrr="MRR at stake",
    renewal="Renewal",
    owner="Owner",
    person="Person",
    probability="Probability",
    nobody="nobody",
    unknown="not known",
    evidence="What we saw",
    no_evidence="No details were given.",
    next_step="Suggested next step",
    no_next_step="Look at the account and talk to the customer.",
    more="… and {count} more",
    acknowledge="Acknowledge",
    verdicts={
        "true": "Resolved: it was true",
        "false_alarm": "False alarm",
        "duplicate": "Duplicate",
        "known": "Known already",
    },
    repeated="This may repeat an earlier message: its delivery could not be confirmed.",
    missing="Not all data had arrived when this was sent; missing: {topics}.",
    late="We learned of this late.",
    fallback="You receive this because the account's owner could not be reached.",
    summary_title="{count} alerts are waiting for you",
    summary_title_one="1 alert is waiting for you",
    summary_accounts="Accounts",
    summary_line="{account}: {signal} ({severity}), since {since}, {mrr}",
    summary_by_mrr="By MRR at stake",
    summary_by_severity="By severity",
    summary_next_mrr="Start with the first one: it has the most at stake.",
    summary_next_severe="Start with the first one: none is more severe.",
    page_question="Record this for the alert?",
    page_done="Recorded. Thank you.",
    page_already="This had already been recorded. Nothing was changed.",
    page_bad="This link is not valid. Please open it from the message again.",
    page_expired="This link has expired.",
    page_gone="The alert has already been resolved. Nothing was changed.",
    mail_footer="Sent by Kizuna because you look after this account.",
)
