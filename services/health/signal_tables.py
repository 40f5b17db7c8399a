"""The tables of signals: what was last said of each episode, and how the fleet stood, by when that was known."""

from sqlalchemy import Boolean, Column, Date, DateTime, Float, Index, Integer, MetaData, Table, Text, text

TIME = DateTime(timezone=True)


def signal_tables(metadata: MetaData) -> None:
    """Add `signal` (a row an episode) and `fleet_ratio` (a row a judgement of a segment's week) to the metadata."""
    Table(
        "signal",
        metadata,
        Column("account_id", Text, primary_key=True),
        Column("episode", Text, primary_key=True),
        Column("signal", Text, nullable=False),
        Column("subject_id", Text, nullable=False),
        Column("since", TIME, nullable=False),
        Column("open", Boolean, nullable=False),
        Column("historical", Boolean, nullable=False),
        Column("severity", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("said_at", TIME, nullable=False),
        Index("signal_open_once", "account_id", "signal", "subject_id", unique=True, postgresql_where=text('"open"')),
    )
    Table(
        "fleet_ratio",
        metadata,
        Column("week", Date, primary_key=True),  # Monday of the last complete week that was looked at
        Column("segment", Text, primary_key=True),  # "" for all accounts together
        Column("known_at", TIME, primary_key=True),
        Column("ratio", Float),  # null: too few accounts to tell
        Column("accounts", Integer, nullable=False),
    )
