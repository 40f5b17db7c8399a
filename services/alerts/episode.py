"""An alert's life as a fold: what the signals said and what people did, in the order we learned of it. Pure.

    open ──acknowledge──► acknowledged ──┐
      │ ▲                      │         ├─ resolve(verdict), or the signal clears ──► resolved
      │ └── severity rises ────┴─────────┘                                               │
      └◄── relapse within COOL_DOWN (the same alert, quietly), or severity rises ────────┘

One fingerprint (account, signal, subject) has one alert at a time; a relapse after the cool-down begins another one.
Whether a message goes out is not a state: `unsaid` compares how high an alert stands with what has been said of it.
Folding the same things again, in whatever order they arrived, gives the same alerts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from shared.events import Evidence, Signal
from shared.events.derived import Severity

COOL_DOWN: Final = timedelta(days=14)
MOST_EVIDENCE: Final = 50
RANK: Final[dict[Severity, int]] = {"info": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
KINDS: Final = ("opened", "updated", "cleared")

Kind = Literal["opened", "updated", "cleared"]
State = Literal["open", "acknowledged", "resolved"]
Verdict = Literal["true", "false_alarm", "duplicate", "known"]
What = Literal["raised", "worsened", "went_live", "acknowledged", "resolved", "cleared", "relapsed"]


@dataclass(frozen=True, slots=True)
class Said:
    """One signal event: its kind and data, and when we learned it. `key` breaks ties."""

    kind: Kind
    data: Signal
    recorded: datetime
    key: str

    @property
    def order(self) -> tuple[datetime, int, str]:
        """The one order of what is known about an alert; arrival plays no part in it."""
        return (self.recorded, KINDS.index(self.kind), self.key)


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did to an alert. `verdict` resolves; without one it acknowledges."""

    alert_id: str
    at: datetime
    actor: str
    key: str
    verdict: Verdict | None = None
    note: str | None = None

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Comparable with a signal's; at the same instant the signal comes first."""
        return (self.at, len(KINDS), self.key)


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an alert's history. Without an actor the signal did it."""

    at: datetime
    what: What
    severity: Severity
    actor: str | None = None
    verdict: Verdict | None = None
    note: str | None = None


class Alert(msgspec.Struct, frozen=True):
    """How one alert stands. `latest` is what its signal said last, `acted_rank` its rank when a person acted."""

    id: str
    account_id: str
    state: State
    latest: Signal
    historical: bool
    opened_at: datetime
    evidence: tuple[Evidence, ...]
    history: tuple[Step, ...]
    verdict: Verdict | None = None
    standing: bool = True
    acted_rank: int | None = None
    quiet_since: datetime | None = None

    @property
    def severity(self) -> Severity:
        """How bad its signal says it is."""
        return self.latest.severity

    @property
    def rank(self) -> int:
        """Severity as a number that can be compared."""
        return RANK[self.latest.severity]

    @property
    def last(self) -> Step:
        """What happened last."""
        return self.history[-1]


def fingerprint(account_id: str, signal: Signal) -> str:
    """Name what makes two signals the same alert."""
    return "|".join((account_id, signal.signal, signal.subject_id or ""))


def fold(account_id: str, said: Iterable[Said], acts: Iterable[Act]) -> tuple[Alert, ...]:
    """Return the alerts of one fingerprint, oldest first. Only the newest can still change."""
    alerts: list[Alert] = []
    everything: list[Said | Act] = [*said, *acts]
    for each in sorted(everything, key=lambda entry: entry.order):
        if isinstance(each, Act):
            alerts = [_acted(alert, each) if alert.id == each.alert_id else alert for alert in alerts]
        elif alerts and not _is_over(alerts[-1], each):
            alerts[-1] = _heard(alerts[-1], each)
        elif each.kind != "cleared":
            alerts.append(_raised(account_id, each, len(alerts)))
    return tuple(alerts)


def refusal(alert: Alert, verdict: Verdict | None) -> str | None:
    """Say why a person cannot do this to the alert now, or None. Doing what has been done already is no conflict."""
    if alert.state != "resolved" or alert.verdict == verdict is not None:
        return None
    if verdict is None:
        return "The alert is resolved, so there is nothing left to acknowledge."
    if alert.verdict is not None:
        return f"The alert was resolved before, as {alert.verdict}."
    return None


def changes(alert: Alert, verdict: Verdict | None) -> bool:
    """Whether a permitted act would change anything."""
    return alert.state == "open" if verdict is None else alert.verdict != verdict


def unsaid(alert: Alert, said_rank: int | None) -> bool:
    """Whether to tell people: it holds, not by history alone, and stands higher than anything said of it before."""
    return alert.state != "resolved" and not alert.historical and (said_rank is None or alert.rank > said_rank)


def _is_over(alert: Alert, said: Said) -> bool:
    """Whether a new opening comes after the cool-down, so that it belongs to another alert."""
    reopened = not alert.standing and _opens(alert, said)
    return reopened and alert.quiet_since is not None and said.recorded - alert.quiet_since > COOL_DOWN


def _opens(alert: Alert, said: Said) -> bool:
    """Whether this begins something: an opening (also of an episode that had ended), or an episode not heard of."""
    return said.kind == "opened" or (said.kind == "updated" and said.data.episode != alert.latest.episode)


def _raised(account_id: str, said: Said, earlier: int) -> Alert:
    data = said.data
    name = f"{fingerprint(account_id, data)}|{data.episode}|{earlier}"
    return Alert(
        id=blake2b(name.encode(), digest_size=16).hexdigest(),
        account_id=account_id,
        state="open",
        latest=data,
        historical=data.historical,
        opened_at=said.recorded,
        evidence=tuple(data.evidence[:MOST_EVIDENCE]),
        history=(Step(said.recorded, "raised", data.severity),),
    )


def _heard(alert: Alert, said: Said) -> Alert:
    same = said.data.episode == alert.latest.episode
    if said.kind == "cleared":
        return _cleared(alert, said) if same and alert.standing else alert
    if not alert.standing and not _opens(alert, said):
        return alert  # an episode that has ended is not revived by what comes late
    return _holds(alert, said)


def _holds(alert: Alert, said: Said) -> Alert:
    relapsed = not alert.standing
    worse = RANK[said.data.severity] > (alert.rank if alert.acted_rank is None else alert.acted_rank)
    what = _what(alert, said.data, relapsed=relapsed, worse=worse)
    reopened = alert.state != "open" and (relapsed or worse)
    return msgspec.structs.replace(
        alert,
        state="open" if reopened else alert.state,
        verdict=None if reopened else alert.verdict,
        acted_rank=None if reopened else alert.acted_rank,
        latest=said.data,
        standing=True,
        historical=alert.historical and said.data.historical,
        evidence=_appended(alert.evidence, said.data.evidence),
        history=alert.history if what is None else (*alert.history, Step(said.recorded, what, said.data.severity)),
    )


def _what(alert: Alert, data: Signal, *, relapsed: bool, worse: bool) -> What | None:
    if relapsed:
        return "relapsed"
    if worse:
        return "worsened"
    return "went_live" if alert.historical and not data.historical else None


def _cleared(alert: Alert, said: Said) -> Alert:
    ended = msgspec.structs.replace(alert, standing=False, quiet_since=said.recorded)
    if alert.state == "resolved":
        return ended
    step = Step(said.recorded, "cleared", alert.severity, note=getattr(said.data, "reason", None))
    return msgspec.structs.replace(ended, state="resolved", history=(*alert.history, step))


def _acted(alert: Alert, act: Act) -> Alert:
    if refusal(alert, act.verdict) or not changes(alert, act.verdict):
        return alert
    what: What = "acknowledged" if act.verdict is None else "resolved"
    step = Step(act.at, what, alert.severity, actor=act.actor, verdict=act.verdict, note=act.note)
    return msgspec.structs.replace(
        alert,
        state="acknowledged" if act.verdict is None else "resolved",
        verdict=act.verdict,
        acted_rank=alert.rank,
        quiet_since=act.at if act.verdict else alert.quiet_since,
        history=(*alert.history, step),
    )


def _appended(old: Sequence[Evidence], new: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Append what was not known before; of a very long list the newest stay."""
    known = {_identity(each) for each in old}
    return (*old, *(each for each in new if _identity(each) not in known))[-MOST_EVIDENCE:]


def _identity(evidence: Evidence) -> tuple[str, str, tuple[str, ...]]:
    return (evidence.fact, repr(evidence.value), tuple(evidence.event_ids))
