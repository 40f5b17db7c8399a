"""Owns what the services conclude from the facts (`health.v1`, `signals.v1`, `revenue.v1`, `alerts.v1`)."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from shared.events.fields import Currency, EventData, Id, Instant, Name, Scalar, bounded, dated

Band: TypeAlias = Literal["healthy", "watch", "at_risk", "critical", "unknown"]
Severity: TypeAlias = Literal["info", "low", "medium", "high", "critical"]


class Component(EventData, frozen=True, kw_only=True):
    """One measure's part in a score: `contribution` = points x weight, `lever` = what the score could gain by it."""

    measure: Id
    value: Decimal | None
    unit: str
    points: Decimal | None
    weight: Decimal
    contribution: Decimal | None
    lever: Decimal | None = None
    facts: Annotated[int, Meta(ge=0)] = 0


class ScoreChanged(EventData, frozen=True, kw_only=True):
    """`kizuna.health.score_changed`: the account's score (0-100, null: too little is known) or band is another."""

    score: Decimal | None
    band: Band
    definition: Id
    previous_score: Decimal | None = None
    previous_band: Band | None = None
    coverage: Decimal | None = None
    components: list[Component] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        bounded(self, "score", "previous_score", least=0, most=100)


class Text(EventData, frozen=True, kw_only=True):
    """A sentence that a CSM reads, in the languages she may have chosen."""

    en: str
    ja: str


class Evidence(EventData, frozen=True, kw_only=True):
    """One reason for a signal: `fact` is the machine name, `event_ids` are the events it was read from."""

    fact: Id
    text: Text
    value: Scalar = None
    event_ids: list[str] = field(default_factory=list)
    at: Instant | None = None


class RestsOn(EventData, frozen=True, kw_only=True):
    """How far its maker had read when it spoke: next offset per topic of one partition of one broker cluster."""

    cluster: str
    partition: Annotated[int, Meta(ge=0)]
    positions: dict[str, int]


class Signal(EventData, frozen=True, kw_only=True):
    """What opened, updated and cleared signals say alike. `episode` names this one opening of the signal for ever."""

    signal: Id
    episode: Id
    severity: Severity
    since: Instant
    subject_id: Id | None = None
    historical: bool = False
    late: bool = False
    evidence: list[Evidence] = field(default_factory=list)
    facts: dict[str, Scalar] = field(default_factory=dict)
    next_step: Text | None = None
    rests_on: RestsOn | None = None

    def __post_init__(self) -> None:
        dated(self, "since")


class SignalOpened(Signal, frozen=True, kw_only=True):
    """`kizuna.signal.opened`: a risk holds that did not hold before."""


class SignalUpdated(Signal, frozen=True, kw_only=True):
    """`kizuna.signal.updated`: it still holds, with other evidence, severity or history mark."""


class SignalCleared(Signal, frozen=True, kw_only=True):
    """`kizuna.signal.cleared`: it holds no more, because of `reason`."""

    reason: Name | None = None


class MovementBooked(EventData, frozen=True, kw_only=True):
    """`kizuna.revenue.movement_booked`: a day's movement of an account's MRR; amount = after - before."""

    effective_on: date
    kind: Literal["new", "renewal", "expansion", "contraction", "churn", "reactivation"]
    amount: Decimal
    mrr_before: Decimal
    mrr_after: Decimal
    currency: Currency
    product_id: Id | None = None
    event_ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        bounded(self, "amount", "mrr_before", "mrr_after")
        dated(self, "effective_on")


class Alert(EventData, frozen=True, kw_only=True):
    """What the events in an alert's life say alike."""

    alert_id: Id
    signal: Id
    severity: Severity
    owner: Id | None = None
    actor: Id | None = None
    verdict: Literal["true", "false_alarm", "duplicate", "known"] | None = None


class Answered(Alert, frozen=True, kw_only=True):
    """What a person did about it, or that it ended by itself, with what was noted then."""

    note: str | None = None


class AlertRaised(Alert, frozen=True, kw_only=True):
    """`kizuna.alert.raised`: somebody should look at this."""


class AlertAcknowledged(Answered, frozen=True, kw_only=True):
    """`kizuna.alert.acknowledged`: `actor` looks at it."""


class AlertResolved(Answered, frozen=True, kw_only=True):
    """`kizuna.alert.resolved`: done, with `actor`'s verdict; without an actor the signal cleared by itself."""


class AlertDelivered(EventData, frozen=True, kw_only=True):
    """`kizuna.alert.delivered`: a message about it, as severe as it says, has arrived at a mailbox of a channel."""

    alert_id: Id
    signal: Id
    severity: Severity
    delivery: Id
    channel: Id
    tier: Id
    to: Id
    planned_at: Instant
    attempts: Annotated[int, Meta(ge=0)] = 1
    repeated: bool = False
    summary: Id | None = None
    reference: str | None = None

    def __post_init__(self) -> None:
        dated(self, "planned_at")
