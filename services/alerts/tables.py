"""The tables of schema `alerts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.tables import TIME, runtime_tables

if TYPE_CHECKING:
    from sqlalchemy.sql.schema import SchemaItem

metadata: Final = MetaData()


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, TIME, nullable=nullable)


def _fact_table(name: str, *columns: SchemaItem) -> None:
    """Add an append-only table: one row an event, with when it took effect and when we learned it."""
    Table(
        name,
        metadata,
        Column("event_key", LargeBinary, primary_key=True),
        Column("account_id", Text, nullable=False),
        _time("effective"),
        _time("recorded"),
        Column("event_id", Text, nullable=False),  # breaks ties between events of the same instants
        *columns,
        Index(f"{name}_by_account", "account_id", "effective"),
    )


_fact_table("profile_fact", Column("changes", JSONB, nullable=False))
_fact_table("owner_fact", Column("role", Text, nullable=False), Column("person", LargeBinary))
_fact_table("subscription_fact", Column("snapshot", JSONB, nullable=False))
_fact_table("signal_fact", Column("kind", Text, nullable=False), Column("data", JSONB, nullable=False))

# Names and addresses of people stand here alone, so that a person can be erased; facts know the key, a hash.
Table(
    "person",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("person_id", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Index("person_by_id", "person_id"),
)

Table(
    "alert",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("signal", Text, nullable=False),
    Column("state", Text, nullable=False),
    _time("opened_at"),
    Column("announced", Integer, nullable=False),  # how many lines of its history went out on alerts.v1
    Column("body", JSONB, nullable=False),
    Index("alert_by_account", "account_id"),
    Index("alert_by_time", "opened_at", "id"),
)

# What people did: written once, never changed. A link's nonce stands here, so a link acts once.
Table(
    "action",
    metadata,
    Column("key", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    _time("at"),
    Column("actor", Text, nullable=False),
    Column("way", Text, nullable=False),  # api or link
    Column("verdict", Text),
    Column("note", Text),
    Index("action_by_account", "account_id"),
)

Table(
    "delivery",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("severity_rank", SmallInteger, nullable=False),
    Column("tier", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    _time("planned_at"),
    _time("not_before"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("repeated", Boolean, nullable=False, server_default=text("false")),  # an attempt ended unclear
    Column("batch", Text),  # the summary that it went out in
    Column("recipient", Text),
    Column("lease", Text),
    _time("lease_until", nullable=True),
    Column("reason", Text),
    Column("reference", Text),
    _time("settled_at", nullable=True),
    Index("delivery_by_alert", "alert_id"),
    Index("delivery_open", "not_before", postgresql_where=text("state in ('pending', 'ambiguous', 'sending')")),
)

# One mailbox is worked by one replica at a time, and not before `next_at`: the channel's rate.
Table(
    "recipient",
    metadata,
    Column("key", Text, primary_key=True),
    Column("holder", Text),
    _time("held_until"),
    _time("next_at"),
)

runtime_tables(metadata)
