"""Ingest's tables: keys, who belongs to which account, what waits, what was refused. Accepted events are not here."""

from sqlalchemy import ARRAY, Column, Index, LargeBinary, MetaData, Table, Text

from shared.tables import TIME, dead_letter_table

metadata = MetaData()

Table(
    "write_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the whole key
    Column("name", Text),
    Column("source", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", TIME),
    Column("revoked_by", Text),
)
Table(
    "membership",  # one row per group call: the person belonged to the account from `at` on
    metadata,
    Column("person_id", Text, primary_key=True),
    Column("at", TIME, primary_key=True),
    Column("account_id", Text, primary_key=True),
)
Table(
    "person",  # every id that was ever aliased; ids with one root are one person
    metadata,
    Column("person_id", Text, primary_key=True),
    Column("root", Text, nullable=False),
    Index("person_by_root", "root"),
)
Table(
    "alias",  # the calls that said so, to be told to every account the person comes to belong to
    metadata,
    Column("previous_id", Text, primary_key=True),
    Column("person_id", Text, primary_key=True),
    Column("event", LargeBinary, nullable=False),
    Index("alias_by_person", "person_id"),
)
Table(
    "parked",  # events whose person belongs to no account yet
    metadata,
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("person_id", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("parked_at", TIME, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Index("parked_by_person", "person_id"),
    Index("parked_by_age", "parked_at"),
)
dead_letter_table(metadata)
