"""What is looked at: memory, descriptors and CPU of each process, lag and outbox of each service, tables and inbox."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from deploy.local.plan import CONSUMERS, MODULES
from deploy.local.processes import Program

if TYPE_CHECKING:
    import asyncpg
    import httpx

    from deploy.local.plan import Plan

Sample = dict[str, float]
PARTS = ("postgres", "broker", *MODULES)
MIB = 1024 * 1024
_TABLES = """
select n.nspname as schema, regexp_replace(c.relname, '_[0-9]{6,8}$', '') as name,
       sum(pg_total_relation_size(c.oid)) as size
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname = any($1) group by 1, 2"""
_GENERATIONS = """
select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname = 'health' and c.relname like 'inbox_%'"""
# Why absorption may stand still: vacuum at work, sessions that wait for locks or for the disk.
_ACTIVITY = """
select count(*) filter (where backend_type = 'autovacuum worker') as vacuums,
       count(*) filter (where wait_event_type = 'Lock') as waiting_for_locks,
       count(*) filter (where wait_event_type = 'IO') as waiting_for_disk
from pg_stat_activity"""
_COUNTERS = ("kizuna_absorb_batch_seconds_sum", "kizuna_absorb_batch_seconds_count", "kizuna_accounts_evaluated_total")


@dataclass(slots=True)
class Sampler:
    """Takes samples of a running stack; `http` carries an administrator's token."""

    plan: Plan
    http: httpx.AsyncClient
    database: asyncpg.Connection

    async def take(self) -> Sample:
        """Return one sample: a number by name, e.g. `health.rss_mib` or `health.lag`."""
        found: Sample = {"machine.load": psutil.getloadavg()[0]}
        for name in PARTS:
            found |= self._process(name)
        for name in CONSUMERS:
            found |= await self._service(name)
        return found | await self._tables()

    def _process(self, name: str) -> Sample:
        """Measure a process with its children: PostgreSQL has one a connection, which share most of their memory."""
        root = psutil.Process(Program(name, (), self.plan.folder).pid())
        family = [root, *root.children(recursive=True)] if name == "postgres" else [root]
        found = {"rss_mib": 0.0, "descriptors": 0.0, "cpu_seconds": 0.0}
        for process in family:
            try:
                with process.oneshot():
                    found["rss_mib"] += (process.memory_info().rss - process.memory_info().shared) / MIB
                    found["descriptors"] += process.num_fds()
                    found["cpu_seconds"] += sum(process.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue  # a connection that has ended meanwhile
        return {f"{name}.{what}": value for what, value in found.items()}

    async def _service(self, name: str) -> Sample:
        began = time.monotonic()
        answer = (await self.http.get(f"{self.plan.url(name)}/v1/status")).raise_for_status().json()
        asked = {what: float(answer[what]) for what in ("lag", "outbox", "due", "dead_letters")}
        asked["answer_seconds"] = time.monotonic() - began
        for line in (await self.http.get(f"{self.plan.url(name)}/metrics")).text.splitlines():
            counter, _, value = line.partition(" ")
            if counter in _COUNTERS:
                asked[counter] = float(value)
        return {f"{name}.{what}": value for what, value in asked.items()}

    async def _tables(self) -> Sample:
        tables = await self.database.fetch(_TABLES, list(MODULES))
        found = {f"{row['schema']}.table.{row['name']}_mib": float(row["size"]) / MIB for row in tables}
        found["health.inbox_generations"] = float(await self.database.fetchval(_GENERATIONS))
        [activity] = await self.database.fetch(_ACTIVITY)
        return found | {f"postgres.{what}": float(count) for what, count in activity.items()}
