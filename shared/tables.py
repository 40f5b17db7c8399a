"""The runtime's own tables, the same in the schema of every consuming service."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

TIME = DateTime(timezone=True)


def runtime_tables(metadata: MetaData) -> None:
    """Add lease, position, inbox, account_due, outbox, dead_letter and incident to `metadata`."""
    _progress_tables(metadata)
    _work_tables(metadata)
    dead_letter_table(metadata)


def _progress_tables(metadata: MetaData) -> None:
    Table(
        "lease",
        metadata,
        Column("partition", Integer, primary_key=True),
        Column("epoch", BigInteger, nullable=False),
        Column("owner", Text, nullable=False),
        Column("claimed_at", TIME, nullable=False),
    )
    Table(
        "position",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("cluster", Text, nullable=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("absorbed_through", TIME),
    )
    Table(
        "inbox",
        metadata,
        Column("key", LargeBinary, nullable=False, primary_key=True),
        Column("week", Date, nullable=False, primary_key=True),
        postgresql_partition_by="RANGE (week)",
    )
    Table("inbox_history", metadata, Column("key", LargeBinary, primary_key=True))
    Table(
        "incident",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("at", TIME, nullable=False),
        Column("kind", Text, nullable=False),
        Column("detail", JSONB, nullable=False),
    )


def _work_tables(metadata: MetaData) -> None:
    Table(
        "account_due",
        metadata,
        Column("account_id", Text, primary_key=True),
        Column("partition", Integer, nullable=False),
        Column("due_at", TIME, nullable=False),
        Column("urgency", SmallInteger),  # the most urgent fact that waits; null: only time passes
        Column("usage_after", TIME),  # no evaluation for usage alone before this
        Column("failures", Integer, nullable=False, server_default=text("0")),
        Index("account_due_by_time", "partition", "due_at"),
    )
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("partition", Integer, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("headers", JSONB, nullable=False, server_default=text("'[]'")),
        Column("created_at", TIME, nullable=False),
        Index("outbox_by_partition", "partition", "id"),
    )


def dead_letter_table(metadata: MetaData) -> None:
    """Add dead_letter: records refused for good, untouched, with the reason and the place."""
    Table(
        "dead_letter",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("place", Text, nullable=False),  # cluster/topic/partition/offset, or how it came in
        Column("topic", Text),
        Column("partition", Integer),
        Column("record_offset", BigInteger),
        Column("event_id", Text),
        Column("source", Text),
        Column("account_id", Text),
        Column("code", Text, nullable=False),
        Column("message", Text, nullable=False),
        Column("record_key", LargeBinary),
        Column("record_value", LargeBinary),
        Column("refused_at", TIME, nullable=False),
        Column("replayed_at", TIME),
        Column("replayable", Boolean, nullable=False, server_default=text("true")),
        UniqueConstraint("place", name="dead_letter_once"),
        Index("dead_letter_by_code", "code", "id"),
    )
