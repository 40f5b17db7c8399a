"""Ingest's first tables.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "write_key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("revoked_by", sa.Text),
    )
    op.create_table(
        "membership",
        sa.Column("person_id", sa.Text, primary_key=True),
        sa.Column("at", TIME, primary_key=True),
        sa.Column("account_id", sa.Text, primary_key=True),
    )
    op.create_table(
        "person",
        sa.Column("person_id", sa.Text, primary_key=True),
        sa.Column("root", sa.Text, nullable=False),
    )
    op.create_index("person_by_root", "person", ["root"])
    op.create_table(
        "alias",
        sa.Column("previous_id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text, primary_key=True),
        sa.Column("event", sa.LargeBinary, nullable=False),
    )
    op.create_index("alias_by_person", "alias", ["person_id"])
    op.create_table(
        "parked",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("parked_at", TIME, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
    )
    op.create_index("parked_by_person", "parked", ["person_id"])
    op.create_index("parked_by_age", "parked", ["parked_at"])
    _dead_letters()


def _dead_letters() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("topic", sa.Text),
        sa.Column("partition", sa.Integer),
        sa.Column("record_offset", sa.BigInteger),
        sa.Column("event_id", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("account_id", sa.Text),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("record_key", sa.LargeBinary),
        sa.Column("record_value", sa.LargeBinary),
        sa.Column("refused_at", TIME, nullable=False),
        sa.Column("replayed_at", TIME),
        sa.Column("replayable", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.UniqueConstraint("place", name="dead_letter_once"),
    )
    op.create_index("dead_letter_by_code", "dead_letter", ["code", "id"])


def downgrade() -> None:
    for table in ("dead_letter", "parked", "alias", "person", "membership", "write_key"):
        op.drop_table(table)
