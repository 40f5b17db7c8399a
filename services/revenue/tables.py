"""The tables of schema `revenue`: facts, the ledger computed from them, and which facts it has not seen yet."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Date, Index, LargeBinary, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables import TIME, runtime_tables

metadata: Final = MetaData()
runtime_tables(metadata)

AMOUNT: Final = Numeric(38, 6)

Table(  # append-only: what billing said, one row an event
    "snapshot",
    metadata,
    Column("event_key", LargeBinary, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("effective", TIME, nullable=False),
    Column("recorded", TIME, nullable=False),
    Column("backfill", Boolean, nullable=False),
    Column("body", JSONB, nullable=False),
    Index("snapshot_by_account", "account_id"),
)
Table(  # facts that the stored ledger does not contain yet; inserted by absorb, deleted by evaluate
    "unseen",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("event_key", LargeBinary, primary_key=True),
)
Table(  # when time alone will change an account's ledger
    "outlook",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("next_effect", TIME, nullable=False),
    Index("outlook_by_time", "next_effect"),
)
Table(  # the ledger with the time at which each row was learned, and at which something else was
    "movement",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("effective_on", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("recorded_at", TIME, primary_key=True),
    Column("superseded_at", TIME),
    Column("amount", AMOUNT, nullable=False),
    Column("mrr_before", AMOUNT, nullable=False),
    Column("mrr_after", AMOUNT, nullable=False),
    Column("renewed_amount", AMOUNT),
    Column("product_id", Text),
    Column("event_ids", ARRAY(Text), nullable=False),
    Column("backfill", Boolean, nullable=False),
)
