"""Logs and metrics: structured lines on stderr, one Prometheus registry a process."""

from __future__ import annotations

import logging
import sys

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
POSITION_INCIDENTS = Counter(
    "kizuna_position_incidents_total", "Gaps, younger or empty brokers met at a start", ["kind"], registry=REGISTRY
)
PRODUCE_SECONDS = Histogram("kizuna_produce_seconds", "From hand-over to the broker's ack", registry=REGISTRY)
PRODUCERS_REBUILT = Counter("kizuna_producers_rebuilt_total", "Producers given up and replaced", registry=REGISTRY)


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
