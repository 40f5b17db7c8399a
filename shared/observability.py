"""Logs and metrics: structured lines on stderr, one Prometheus registry a process."""

from __future__ import annotations

import logging
import sys
import time

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

ABSORBED = Counter("kizuna_events_absorbed_total", "Events counted for the first time", ["topic"], registry=REGISTRY)
REPEATED = Counter("kizuna_events_repeated_total", "Events that had been counted before", ["topic"], registry=REGISTRY)
DEAD_LETTERS = Counter("kizuna_dead_letters_total", "Records refused for good", ["reason"], registry=REGISTRY)
BATCH_SECONDS = Histogram("kizuna_absorb_batch_seconds", "One absorb transaction", registry=REGISTRY)
EVALUATED = Counter("kizuna_accounts_evaluated_total", "Accounts evaluated", registry=REGISTRY)
EVALUATION_FAILURES = Counter("kizuna_evaluation_failures_total", "Evaluations that raised", registry=REGISTRY)
RELAYED = Counter("kizuna_outbox_relayed_total", "Outgoing events acknowledged", ["topic"], registry=REGISTRY)
LAG = Gauge("kizuna_consumer_lag_records", "Records not yet absorbed", ["topic"], registry=REGISTRY)
LAG_SECONDS = Gauge(
    "kizuna_consumer_lag_seconds", "At most so old is the oldest record not yet absorbed", ["topic"], registry=REGISTRY
)
HALTED = Gauge("kizuna_consumer_halted", "1 after a run of failures: nothing is read any more", registry=REGISTRY)
HELD = Gauge("kizuna_partitions_held", "Partition numbers that this replica owns", registry=REGISTRY)
OUTBOX_ROWS = Gauge("kizuna_outbox_rows", "Outgoing events not yet acknowledged", registry=REGISTRY)
OUTBOX_OLDEST = Gauge("kizuna_outbox_oldest_seconds", "Age of the oldest of them", registry=REGISTRY)
DUE_OLDEST = Gauge(
    "kizuna_due_oldest_seconds", "For how long the longest waiting account has been due", registry=REGISTRY
)
LETTERS_WAITING = Gauge("kizuna_dead_letters_waiting", "Dead letters that were not replayed", registry=REGISTRY)
READY = Gauge("kizuna_ready", "1 where a part of this replica can do its work", ["part"], registry=REGISTRY)
CLOCK = Gauge("kizuna_clock_seconds", "What the clock here says", registry=REGISTRY)
CLOCK.set_function(time.time)
POSITION_INCIDENTS = Counter(
    "kizuna_position_incidents_total", "Gaps, younger or empty brokers met at a start", ["kind"], registry=REGISTRY
)
for _kind in ("another_cluster", "gap", "younger_broker"):
    POSITION_INCIDENTS.labels(_kind)  # there from the start: what appears with its first count shows no increase
PRODUCE_SECONDS = Histogram("kizuna_produce_seconds", "From hand-over to the broker's ack", registry=REGISTRY)
PRODUCERS_REBUILT = Counter("kizuna_producers_rebuilt_total", "Producers given up and replaced", registry=REGISTRY)
ARCHIVED = Counter("kizuna_archive_records_total", "Records written to the archive", ["topic"], registry=REGISTRY)
ARCHIVE_FILES = Counter("kizuna_archive_files_total", "Files written to the archive", ["topic"], registry=REGISTRY)
ARCHIVE_COLLISIONS = Counter(
    "kizuna_archive_collisions_total", "Files that somebody else, or a lost answer, had written", registry=REGISTRY
)
ARCHIVE_UNREAD = Gauge(
    "kizuna_archive_unread_records", "Records at the broker not read for the archive", registry=REGISTRY
)
ARCHIVE_HELD = Gauge("kizuna_archive_held_seconds", "Age of the oldest record held and not written", registry=REGISTRY)


def configure_logging(service: str) -> None:
    """Send structlog and the standard library's loggers to stderr as JSON lines that name the service."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(_is_news)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _is_news(record: logging.LogRecord) -> bool:
    """Drop what is no news: that a broker cannot number producers is learned by asking, at every start."""
    return not record.getMessage().startswith("Unexpected error during InitProducerIdRequest")
