"""A champion has left, or seems to have: somebody said so, or mail and accounts say so."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.health.champion import ChampionRule, Leaving, deciders, fades_at, leavings
from services.health.detector import Context, Detector, Finding, Severity, evidence_of
from services.health.facts import AccountFacts
from shared.events import Text

NAME: Final = "champion_left"
REPORTED: Final = {
    "human": Text(en="Somebody reported that the person has left.", ja="退職または異動したとの報告がありました。"),
    "deactivated": Text(
        en="The customer deactivated the person's account.", ja="顧客側で利用アカウントが停止されました。"
    ),
    "mail_bounced": Text(en="Mail to the person came back.", ja="本人宛てのメールが不達になりました。"),
    "company_changed": Text(en="The person now works for another company.", ja="別の会社への転職が確認されました。"),
    "auto_reply": Text(
        en="An automatic reply says that the person has left.", ja="退職を知らせる自動返信がありました。"
    ),
}
REPLACE: Final = Text(
    en="Ask the customer this week who takes over, and introduce yourself to that person.",
    ja="今週中に後任者を確認し、ご挨拶の場を設けてください。",
)
RESCUE: Final = Text(
    en="Nobody else with a say is known: have a manager call the customer's management within two days.",
    ja="他に意思決定者が登録されていません。2日以内に上長から先方の責任者へ連絡してください。",
)
VERIFY: Final = Text(
    en="Please verify: write or call the person or a colleague, then record what you learned.",
    ja="ご確認ください。本人または同僚に連絡し、結果を記録してください。",
)


def detect(facts: AccountFacts, context: Context) -> Sequence[Finding]:
    """Return one finding per champion who has left (p >= alert) or may have (p >= verify)."""
    rule = context.rule(NAME, ChampionRule)
    found = [each for each in leavings(facts, context.as_of, rule) if each.probability >= rule.verify]
    remaining = deciders(facts, context.as_of, rule) if found else frozenset()
    return [_finding(each, rule, remaining) for each in found]


def next_look(facts: AccountFacts, context: Context) -> datetime | None:
    """Return when reports have faded so far that another threshold is passed."""
    rule = context.rule(NAME, ChampionRule)
    looks = (fades_at(each.reports, context.as_of, rule) for each in leavings(facts, context.as_of, rule))
    return min((look for look in looks if look is not None), default=None)


def _finding(leaving: Leaving, rule: ChampionRule, remaining: frozenset[str]) -> Finding:
    others = len(remaining) - (leaving.contact.contact_id in remaining)
    certain = leaving.probability >= rule.alert
    evidence = tuple(evidence_of(each, each.evidence, REPORTED[each.evidence], each.note) for each in leaving.reports)
    return Finding(
        signal=NAME,
        subject_id=leaving.contact.contact_id,
        severity=_severity(others, certain=certain),
        since=leaving.since,
        evidence=evidence,
        next_step=VERIFY if not certain else REPLACE if others else RESCUE,
        single=True,
        facts={
            "contact_id": leaving.contact.contact_id,
            "contact": leaving.contact.name or leaving.contact.contact_id,
            "title": leaving.contact.title or "",
            "probability": f"{leaving.probability:.2f}",
            "certain": "yes" if certain else "no",
            "others": str(others),
        },
    )


def _severity(others: int, *, certain: bool) -> Severity:
    """Return how bad it is: by how many others with a say remain, and milder while it is only likely."""
    if not certain:
        return "low" if others else "medium"
    return "critical" if others == 0 else "high" if others == 1 else "medium"


PLUGIN = Detector(NAME, {NAME: Text(en="Champion has left", ja="推進役の離脱")}, ChampionRule, detect, next_look)
