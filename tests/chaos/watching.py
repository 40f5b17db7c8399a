"""Instruments: who is at work at this moment, and whether a stored position ever went back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import psutil

from deploy.local.plan import CONSUMERS

if TYPE_CHECKING:
    from tests.chaos.cluster import Cluster, Replica

HOUSEKEEPING: Final = re.compile(
    r"\s*(select|begin|with recursive typeinfo|insert into (lease|position)|update position)", re.IGNORECASE
)
"""Last statements that prove no work on events: a start claims leases, looks types up and notes positions, too."""
OPEN: Final = """select client_port, query from pg_stat_activity
                 where usename = $1 and xact_start is not null and backend_xid is not null"""
LOCKED: Final = "select client_port from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'"
BLOCKED: Final = "select count(*)::int as n from pg_stat_activity where $1 = any(pg_blocking_pids(pid))"
WRITING: Final = "select count(*)::int as n from pg_stat_activity where backend_xid is not null"
DRUM: Final = """
create schema chaos;;
create table chaos.went_back (at timestamptz not null default clock_timestamp(), what text not null);;
create function chaos.note() returns trigger language plpgsql security definer as $$
begin
    if new.cluster = old.cluster and new.next_offset < old.next_offset then
        insert into chaos.went_back (what) values (format('%s read %s/%s up to %s and went back to %s',
            tg_table_schema, new.topic, new.partition, old.next_offset, new.next_offset));
    end if;
    return new;
end $$"""
STICK: Final = "create trigger went_back before update on {0}.position for each row execute function chaos.note()"


async def watch_positions(cluster: Cluster) -> None:
    """Let the database itself note whenever a replica overwrites a position with an earlier one."""
    for statement in (DRUM, *(STICK.format(service) for service in CONSUMERS)):
        for each in statement.split(";;"):
            await cluster.sql(each)


async def open_work(cluster: Cluster, replica: Replica, pid: int) -> str:
    """Return a statement by which this very process has written something that it has not committed, or ''."""
    rows = await cluster.sql(OPEN, f"kizuna_{replica.service}")
    own = _ports(pid)
    written = [" ".join(row["query"].split()) for row in rows if row["client_port"] in own]
    return next((f"{query[:60]}…" for query in written if not HOUSEKEEPING.match(query)), "")


async def waits_for_lock(cluster: Cluster, replica: Replica) -> bool:
    """Whether a session of this very process waits for a lock."""
    rows = await cluster.sql(LOCKED, f"kizuna_{replica.service}")
    return bool({row["client_port"] for row in rows} & _ports(replica.program.pid()))


async def how_many(cluster: Cluster, question: str, *values: object) -> int:
    """Return the one number that a query answers with."""
    return int((await cluster.sql(question, *values))[0]["n"])


def _ports(pid: int | None) -> set[int]:
    """Return the local ports of a process."""
    try:
        return {each.laddr.port for each in psutil.Process(pid or -1).net_connections("tcp") if each.laddr}
    except (psutil.Error, ValueError):  # it has ended
        return set()
