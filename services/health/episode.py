"""The life of a signal: what was found against what was said before; opened, updated, cleared. Pure.

An episode is one opening of one signal about one subject; its id follows from account, signal, subject and beginning,
so that the same facts give the same id again. A finding that rests on history alone is told as `historical`. What many
facts add up to is not judged at all while history is still arriving: half of it proves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal

from services.health.detector import Evidence, Finding, Severity
from services.health.facts import AccountFacts
from shared.events import Event, RestsOn, Signal, SignalCleared, SignalOpened, SignalUpdated
from shared.events import Evidence as SaidEvidence

SOURCE = "kizuna/health"
GONE = "no longer holds"
MOST_MISSED = 1000
"""So many events of one episode may be missing where its own are read back."""
SETTLE = timedelta(seconds=5)
"""How long no history of an account may have come in before it counts as complete."""


@dataclass(frozen=True, slots=True)
class Episode:
    """What was last said about a signal; `sequence` counts how often, `digest` names the evidence."""

    account_id: str
    signal: str
    subject_id: str
    episode: str
    since: datetime
    open: bool
    historical: bool
    severity: Severity
    digest: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Said:
    """One thing to say: the episode as it stands now, and what was found (None: nothing any more)."""

    kind: Literal["opened", "updated", "cleared"]
    episode: Episode
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """How an account's facts came in: `settled`: no more history is on its way, `awake`: a live fact came after it."""

    settled: bool = True
    awake: bool = True


def arrival(facts: AccountFacts, absorbed_through: datetime | None, now: datetime) -> Arrival:
    """Return how an account's facts came in.

    `absorbed_through` is the time of receipt up to which everything has been read; where it is not known, time itself
    has to pass.
    """
    live, history = facts.last_live_at, facts.last_backfill_at
    if history is None:
        return Arrival(settled=True, awake=live is not None)
    settled = (absorbed_through or now) >= history + SETTLE
    return Arrival(settled, awake=live is not None and live > history)


def decide(
    account_id: str, known: Iterable[Episode], findings: Sequence[Finding], came: Arrival
) -> tuple[tuple[Said, ...], bool]:
    """Return what to say, and whether something was put off until the account's history has settled."""
    episodes = {each.episode: each for each in known}
    current = {(each.signal, each.subject_id): each for each in episodes.values() if each.open}
    found = {(each.signal, each.subject_id): each for each in findings}
    said: list[Said] = []
    put_off = False
    for key in sorted(current.keys() | found.keys()):
        finding, before = found.get(key), current.get(key)
        if not came.settled and not (finding is not None and finding.single):
            put_off = True
        elif finding is None and before is not None:
            said.append(Said("cleared", replace(before, open=False, sequence=before.sequence + 1), None))
        elif finding is not None:
            said += _heed(account_id, finding, before or episodes.get(_episode_id(account_id, finding)), came)
    return tuple(said), put_off


def event_of(said: Said, rests_on: RestsOn | None, now: datetime) -> Event:
    """Return what is said as an event for `signals.v1`; its id follows from the episode and its sequence."""
    episode, finding = said.episode, said.finding
    common: dict[str, Any] = {
        "signal": episode.signal,
        "episode": episode.episode,
        "severity": episode.severity,
        "since": episode.since,
        "subject_id": episode.subject_id or None,
        "historical": episode.historical,
        "rests_on": rests_on,
    }
    data: SignalOpened | SignalUpdated | SignalCleared
    if finding is None:
        data = SignalCleared(**common, reason=GONE)
    else:
        make = SignalOpened if said.kind == "opened" else SignalUpdated
        data = make(**common, **_why(finding))
    identity = _digest(episode.episode, str(episode.sequence))
    return Event(identity, SOURCE, f"kizuna.signal.{said.kind}", episode.account_id, now, now, data)


def heard(before: Episode | None, event: Event, data: Signal) -> Episode | None:
    """Return the episode as an event of our own left it; None for one that was heard before.

    The place in the order is found from the id, which `event_of` made of it.
    """
    number = before.sequence if before else 0
    tried = range(number + 1, number + MOST_MISSED)
    sequence = next((each for each in tried if event.id == _digest(data.episode, str(each))), None)
    if sequence is None:
        return None
    cleared = isinstance(data, SignalCleared)
    evidence = _digest_of(data.evidence)
    return Episode(
        event.subject,
        data.signal,
        data.subject_id or "",
        data.episode,
        data.since,
        open=not cleared,
        historical=data.historical,
        severity=data.severity,  # type: ignore[arg-type]  # we never say `info`
        digest=before.digest if cleared and before else evidence,
        sequence=sequence,
    )


def _heed(account_id: str, finding: Finding, before: Episode | None, came: Arrival) -> list[Said]:
    now = _standing(account_id, finding, before, came)
    if before is None or not before.open:
        return [Said("opened", now, finding)]
    same = (now.severity, now.digest, now.historical) == (before.severity, before.digest, before.historical)
    return [] if same else [Said("updated", now, finding)]


def _standing(account_id: str, finding: Finding, before: Episode | None, came: Arrival) -> Episode:
    notified = before is not None and before.open and not before.historical
    proven = (finding.single and finding.live) or (came.awake and came.settled)
    return Episode(
        account_id,
        finding.signal,
        finding.subject_id,
        before.episode if before else _episode_id(account_id, finding),
        finding.since,
        open=True,
        historical=not (notified or proven),
        severity=finding.severity,
        digest=_digest_of(finding.evidence),
        sequence=before.sequence + 1 if before else 1,
    )


def _why(finding: Finding) -> Mapping[str, Any]:
    return {
        "late": finding.late,
        "evidence": [_said(each) for each in finding.evidence],
        "facts": dict(finding.facts),
        "next_step": finding.next_step,
    }


def _said(evidence: Evidence) -> SaidEvidence:
    return SaidEvidence(
        fact=evidence.fact,
        text=evidence.text,
        value=evidence.value,
        event_ids=list(evidence.event_ids),
        at=evidence.at,
    )


def _episode_id(account_id: str, finding: Finding) -> str:
    return _digest(account_id, finding.signal, finding.subject_id, finding.since.isoformat())


def _digest_of(evidence: Iterable[Evidence | SaidEvidence]) -> str:
    return _digest(*sorted("\0".join((each.fact, *each.event_ids)) for each in evidence))


def _digest(*parts: str) -> str:
    return blake2b("\1".join(parts).encode(), digest_size=16).hexdigest()
