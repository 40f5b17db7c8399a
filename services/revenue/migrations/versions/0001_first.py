"""Everything that the first release stores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables import runtime_tables

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(38, 6)


def upgrade() -> None:
    runtime = sa.MetaData()
    runtime_tables(runtime)
    runtime.create_all(op.get_bind())
    _facts()
    _ledger()


def _facts() -> None:
    op.create_table(
        "snapshot",
        sa.Column("event_key", sa.LargeBinary, primary_key=True),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("effective", TIME, nullable=False),
        sa.Column("recorded", TIME, nullable=False),
        sa.Column("backfill", sa.Boolean, nullable=False),
        sa.Column("body", JSONB, nullable=False),
    )
    op.create_index("snapshot_by_account", "snapshot", ["account_id"])
    op.create_table(
        "unseen",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("event_key", sa.LargeBinary, primary_key=True),
    )


def _ledger() -> None:
    op.create_table(
        "outlook",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("next_effect", TIME, nullable=False),
    )
    op.create_index("outlook_by_time", "outlook", ["next_effect"])
    op.create_table(
        "movement",
        sa.Column("account_id", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("effective_on", sa.Date, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("recorded_at", TIME, primary_key=True),
        sa.Column("superseded_at", TIME),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("mrr_before", AMOUNT, nullable=False),
        sa.Column("mrr_after", AMOUNT, nullable=False),
        sa.Column("renewed_amount", AMOUNT),
        sa.Column("product_id", sa.Text),
        sa.Column("event_ids", ARRAY(sa.Text), nullable=False),
        sa.Column("backfill", sa.Boolean, nullable=False),
    )
