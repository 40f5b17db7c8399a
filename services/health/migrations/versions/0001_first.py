"""Everything that the first release stores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.health.signal_tables import signal_tables
from shared.tables import runtime_tables

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    runtime = sa.MetaData()
    runtime_tables(runtime)
    signal_tables(runtime)
    runtime.create_all(op.get_bind())
    _people()
    _facts()
    _usage()
    _findings()


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.UniqueConstraint("account_id", "person_id", name="person_once"),
    )
    op.create_table(
        "personal",
        sa.Column("event_key", sa.LargeBinary, primary_key=True),
        sa.Column("person", sa.BigInteger),
        sa.Column("data", JSONB, nullable=False),
    )
    op.create_index("personal_by_person", "personal", ["person"])


def _facts() -> None:
    op.create_table(
        "fact",
        sa.Column("event_key", sa.LargeBinary, primary_key=True),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("effective_at", TIME, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("backfill", sa.Boolean, nullable=False),
        sa.Column("person", sa.BigInteger),
        sa.Column("data", JSONB, nullable=False),
    )
    op.create_index("fact_by_account", "fact", ["account_id", "effective_at"])


def _usage() -> None:
    op.create_table(
        "usage_delta",
        sa.Column("recorded", TIME, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("person", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("product", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("backfill", sa.Boolean, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        postgresql_partition_by="RANGE (day)",
    )
    op.create_index("usage_delta_by_day", "usage_delta", ["account_id", "day"])
    op.create_table(
        "usage_day",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("persons", ARRAY(sa.BigInteger), nullable=False),
        sa.Column("events", JSONB, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("errors", sa.Integer, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("live_at", TIME),
        sa.Column("history_at", TIME),
    )


def _findings() -> None:
    op.create_table(
        "account_health",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("score", sa.Numeric(4, 1)),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("coverage", sa.Numeric(5, 4), nullable=False),
        sa.Column("trend", sa.Text),
        sa.Column("components", JSONB, nullable=False),
        sa.Column("gates", JSONB, nullable=False),
        sa.Column("biggest_lever", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("tier", sa.Text),
        sa.Column("owner", JSONB),
        sa.Column("mrr", sa.Numeric),
        sa.Column("currency", sa.Text),
        sa.Column("signals", ARRAY(sa.Text), nullable=False),
        sa.Column("customer", sa.Boolean, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("evaluated_at", TIME, nullable=False),
    )
    op.create_index("account_health_by_score", "account_health", ["score", "account_id"])
