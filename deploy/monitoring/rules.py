"""Owns the alert rules: what is wrong, for how long before somebody is called, and series that prove each of them.

Every rule's runbook is the section of docs/operations.md with its name. `fires` and `quiet` are series for promtool,
`name{labels}` to values a minute; after `after` minutes the rule must have fired on the one and not on the other. Where
an expression says `or`, `fires_too` are series on which only its second part holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNBOOK: Final = "docs/operations.md"
PAGE: Final = "page"
TICKET: Final = "ticket"


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert. `wait` is how long the expression must hold; `labels` are those that the alert carries besides."""

    name: str
    expr: str
    wait: str
    severity: str
    summary: str
    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    labels: tuple[str, ...] = ("job",)
    after: int = 60
    fires_too: Mapping[str, str] | None = None

    @property
    def anchor(self) -> str:
        """The section of the runbook, as a link names it."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", self.name).lower()

    @property
    def metrics(self) -> set[str]:
        """The metrics that the expression names."""
        return set(re.findall(r"\bkizuna_[a-z_]+", self.expr))


RULES: Final = (
    Rule(
        "KizunaDown",
        'up{job=~"ingest|health|revenue|alerts|archive"} == 0',
        "2m",
        PAGE,
        "{{ $labels.job }} at {{ $labels.instance }} does not answer.",
        {'up{job="archive",instance="a"}': "1+0x5 0+0x60"},
        {'up{job="archive",instance="a"}': "1+0x60", 'up{job="node",instance="a"}': "0+0x60"},
        labels=("job", "instance"),
    ),
    Rule(
        "KizunaNotReady",
        "min by (job, instance, part) (kizuna_ready) == 0",
        "5m",
        PAGE,
        "{{ $labels.job }} at {{ $labels.instance }} is not ready: {{ $labels.part }}.",
        {'kizuna_ready{job="health",instance="a",part="broker"}': "1+0x5 0+0x60"},
        {'kizuna_ready{job="health",instance="a",part="broker"}': "1 0 0 1+0x60"},
        labels=("job", "instance", "part"),
    ),
    Rule(
        "KizunaNoAcknowledgements",
        'sum by (job) (rate(kizuna_ingest_events_total{outcome="turned_away"}[5m])) > 0 '
        'unless sum by (job) (rate(kizuna_ingest_events_total{outcome="accepted"}[5m])) > 0',
        "2m",
        PAGE,
        "Events are sent to {{ $labels.job }}, and none has been acknowledged for minutes.",
        {
            'kizuna_ingest_events_total{job="ingest",outcome="turned_away"}': "0+60x60",
            'kizuna_ingest_events_total{job="ingest",outcome="accepted"}': "9+0x60",
        },
        {
            'kizuna_ingest_events_total{job="ingest",outcome="turned_away"}': "0+60x60",
            'kizuna_ingest_events_total{job="ingest",outcome="accepted"}': "0+10x60",
        },
    ),
    Rule(
        "KizunaConsumerHalted",
        "max by (job, instance) (kizuna_consumer_halted) == 1",
        "0m",
        PAGE,
        "{{ $labels.job }} at {{ $labels.instance }} fails on every event and has stopped reading; nothing is skipped.",
        {'kizuna_consumer_halted{job="revenue",instance="a"}': "0+0x5 1+0x60"},
        {'kizuna_consumer_halted{job="revenue",instance="a"}': "0+0x60"},
        labels=("job", "instance"),
    ),
    Rule(
        "KizunaLagGrowing",
        'max by (job) (kizuna_consumer_lag_seconds{topic!="backfill.v1"}) > 120 '
        'and max by (job) (deriv(kizuna_consumer_lag_seconds{topic!="backfill.v1"}[10m])) > 0',
        "5m",
        PAGE,
        "{{ $labels.job }} is {{ $value | humanizeDuration }} behind and falls further behind.",
        {'kizuna_consumer_lag_seconds{job="health",topic="usage.v1"}': "0+30x60"},
        {
            'kizuna_consumer_lag_seconds{job="health",topic="usage.v1"}': "1800-30x60",
            'kizuna_consumer_lag_seconds{job="health",topic="backfill.v1"}': "0+60x60",
        },
        after=30,
    ),
    Rule(
        "KizunaDeadLettersRising",
        "max by (job) (delta(kizuna_dead_letters_waiting[15m])) > 0",
        "0m",
        TICKET,
        "{{ $labels.job }} refuses events: {{ $value | humanize }} more dead letters than 15 minutes ago.",
        {'kizuna_dead_letters_waiting{job="health"}': "3+0x45 4+1x30"},
        {'kizuna_dead_letters_waiting{job="health"}': "3+0x60"},
    ),
    Rule(
        "KizunaOutboxOld",
        "max by (job) (kizuna_outbox_oldest_seconds) > 60",
        "3m",
        PAGE,
        "What {{ $labels.job }} decided is not told: its oldest event waits {{ $value | humanizeDuration }}.",
        {'kizuna_outbox_oldest_seconds{job="health"}': "0+60x60"},
        {'kizuna_outbox_oldest_seconds{job="health"}': "0 90 0 30+0x60"},
    ),
    Rule(
        "KizunaEvaluationStale",
        "max by (job) (kizuna_due_oldest_seconds) > 300",
        "5m",
        PAGE,
        "{{ $labels.job }} has not looked at an account that has been due for {{ $value | humanizeDuration }}.",
        {'kizuna_due_oldest_seconds{job="health"}': "0+60x60"},
        {'kizuna_due_oldest_seconds{job="health"}': "0 400 2+0x60"},
    ),
    Rule(
        "KizunaDeliveriesDead",
        "sum by (channel) (increase(kizuna_alert_dead_deliveries_total[1h])) > 0 "
        "or sum by (channel) (increase(kizuna_alert_stuck_attempts_total[1h])) > 0",
        "0m",
        TICKET,
        "Messages by {{ $labels.channel }} were given up in the last hour, or wait because nobody else can be asked.",
        {'kizuna_alert_dead_deliveries_total{job="alerts",channel="slack"}': "0+0x30 1+0x60"},
        {'kizuna_alert_dead_deliveries_total{job="alerts",channel="slack"}': "7+0x90"},
        labels=("channel",),
        fires_too={'kizuna_alert_stuck_attempts_total{job="alerts",channel="slack"}': "0+0x30 1+1x60"},
    ),
    Rule(
        "KizunaProducerRebuiltOften",
        "sum by (job, instance) (increase(kizuna_producers_rebuilt_total[10m])) > 3",
        "0m",
        TICKET,
        "{{ $labels.job }} at {{ $labels.instance }} keeps losing its connection to the broker.",
        {'kizuna_producers_rebuilt_total{job="ingest",instance="a"}': "0+1x60"},
        {'kizuna_producers_rebuilt_total{job="ingest",instance="a"}': "0 1 2+0x60"},
        labels=("job", "instance"),
    ),
    Rule(
        "KizunaPositionIncident",
        'max by (job, kind) (kizuna_position_incidents_total{kind=~"gap|younger_broker"}) > 0',
        "0m",
        PAGE,
        "{{ $labels.job }} met a {{ $labels.kind }} at a start: records may be missing. Holds until it is restarted.",
        {'kizuna_position_incidents_total{job="health",kind="gap"}': "0 1+0x60"},
        {
            'kizuna_position_incidents_total{job="health",kind="gap"}': "0+0x60",
            'kizuna_position_incidents_total{job="health",kind="another_cluster"}': "1+0x60",
        },
        labels=("job", "kind"),
    ),
    Rule(
        "KizunaArchiveBehind",
        "max by (job) (min_over_time(kizuna_archive_unread_records[10m]) > 10000 "
        "and max_over_time(kizuna_archive_unread_records[5m]) "
        ">= max_over_time(kizuna_archive_unread_records[5m] offset 10m)) "
        "or max by (job) (kizuna_archive_held_seconds) > 4000",
        "5m",
        PAGE,
        "{{ $labels.job }} does not keep up: records are not in a file and may outlive their topics.",
        {'kizuna_archive_unread_records{job="archive",instance="a"}': "0+900x20 NaN 20000+900x40"},
        {
            'kizuna_archive_unread_records{job="archive",instance="a"}': "90000-1000x90",  # back after an hour
            'kizuna_archive_unread_records{job="archive",instance="b"}': "0 30000 NaN 5000+0x90",  # a burst
            'kizuna_archive_held_seconds{job="archive",instance="a"}': "0+60x60",  # the longest flush
        },
        fires_too={
            'kizuna_archive_unread_records{job="archive",instance="a"}': "0+0x5 NaN+0x60",  # a store that refuses
            'kizuna_archive_held_seconds{job="archive",instance="a"}': "1000+60x60",
        },
    ),
    Rule(
        "KizunaClockWrong",
        "max by (job, instance) (abs(timestamp(kizuna_clock_seconds) - kizuna_clock_seconds)) > 5",
        "5m",
        TICKET,
        "The clock of {{ $labels.job }} at {{ $labels.instance }} is {{ $value | humanizeDuration }} off.",
        {'kizuna_clock_seconds{job="health",instance="a"}': "30+60x90"},
        {'kizuna_clock_seconds{job="health",instance="a"}': "1+60x90"},
        labels=("job", "instance"),
    ),
)
