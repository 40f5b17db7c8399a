"""The tables of health's schema: facts, usage, people, and what was last found of each account."""

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
    Numeric,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.health.signal_tables import signal_tables
from shared.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)
signal_tables(metadata)

TIME = DateTime(timezone=True)

# The only places that know whom a number stands for, and what people are called: a person is erased here.
Table(
    "person",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    UniqueConstraint("account_id", "person_id", name="person_once"),
)
Table(
    "personal",
    metadata,
    Column("event_key", LargeBinary, primary_key=True),
    Column("person", BigInteger),
    Column("data", JSONB, nullable=False),
    Index("personal_by_person", "person"),
)

# Everything that is not usage: few events, each kept whole but for what `personal` holds.
Table(
    "fact",
    metadata,
    Column("event_key", LargeBinary, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("effective_at", TIME, nullable=False),
    Column("recorded_at", TIME, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("backfill", Boolean, nullable=False),
    Column("person", BigInteger),
    Column("data", JSONB, nullable=False),
    Index("fact_by_account", "account_id", "effective_at"),
)

# Usage, for audit and `known_at`: append-only, in monthly partitions that the service makes when a month is first seen.
Table(
    "usage_delta",
    metadata,
    Column("recorded", TIME, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("person", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("kind", Text, nullable=False),
    Column("product", Text),
    Column("actor", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("backfill", Boolean, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("calls", Integer, nullable=False),
    Index("usage_delta_by_day", "account_id", "day"),
    postgresql_partition_by="RANGE (day)",
)

# Usage, for live reads: what the deltas of an account and day add up to.
Table(
    "usage_day",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("persons", ARRAY(BigInteger), nullable=False),
    Column("events", JSONB, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("live_at", TIME),
    Column("history_at", TIME),
)

# What the last evaluation found: the portfolio's one row an account.
Table(
    "account_health",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("definition", Text, nullable=False),
    Column("score", Numeric(4, 1)),
    Column("band", Text, nullable=False),
    Column("coverage", Numeric(5, 4), nullable=False),
    Column("trend", Text),
    Column("components", JSONB, nullable=False),
    Column("gates", JSONB, nullable=False),
    Column("biggest_lever", Text),
    Column("name", Text),
    Column("tier", Text),
    Column("owner", JSONB),
    Column("mrr", Numeric),
    Column("currency", Text),
    Column("signals", ARRAY(Text), nullable=False),
    Column("customer", Boolean, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("evaluated_at", TIME, nullable=False),
    Index("account_health_by_score", "score", "account_id"),
)
