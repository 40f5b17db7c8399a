"""How fast health takes events in, dedupe included, beside reading alone; and what more accounts change about it."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import TYPE_CHECKING

import httpx

from shared.cluster import Cluster
from shared.kafka_admin import create_topics
from tests.bench.rows import Measure, Row, console, interleaved, measured, rows
from tests.bench.servers import preload

if TYPE_CHECKING:
    from tests.bench.extent import Extent
    from tests.bench.servers import Servers

TOPICS = ("usage.v1", "billing.v1", "customer.v1", "backfill.v1", "health.v1", "signals.v1", "revenue.v1", "alerts.v1")
PARTITIONS = 12
PATIENCE = 600.0
LISTINGS = 20


def absorbing(servers: Servers, extent: Extent) -> list[Row]:
    """Measure health beside a consumer that throws everything away.

    Both read topics of their own: on those of ingest lies what its clients have sent, much of it again and again.
    """
    prefix = _filled("absorb.", servers, extent.preloaded, 500)

    def absorb() -> Measure:
        with servers.fresh_health(KIZUNA_TOPIC_PREFIX=prefix, KIZUNA_PARTITIONS=str(PARTITIONS)) as url:
            return absorbed(servers, url, extent.preloaded)

    def consume() -> Measure:
        found = measured("tests.bench.bare", "consume", servers.bootstrap, f"{prefix}usage.v1", extent.preloaded)
        return Measure(found["events"] / found["seconds"], 1e6 * found["cpu"] / found["events"])

    return interleaved("absorb.health", extent.rounds, absorb, {"consume": consume})


def absorbed(servers: Servers, url: str, expected: int) -> Measure:
    """Watch a fresh health until it has absorbed what there is, from its first batch on."""
    first, began, done, cpu = 0.0, 0.0, 0.0, 0.0
    while done < expected:
        done, now = counted(url, "kizuna_events_absorbed_total"), time.perf_counter()
        if done and not began:
            first, began, cpu = done, now, servers.cpu(url)
        time.sleep(0.02)
    left = max(done - first, 1.0)
    return Measure((done - first) / max(now - began, 1e-6), 1e6 * (servers.cpu(url) - cpu) / left)


def growth(servers: Servers, extent: Extent) -> list[Row]:
    """Measure absorbing, evaluating and listing at growing numbers of accounts, each beside the smallest."""
    found = {accounts: _at(servers, accounts) for accounts in extent.growth}
    smallest = f"{extent.growth[0]} accounts"
    return [
        row
        for accounts in extent.growth[1:]
        for at, (name, unit) in enumerate((("absorb", "events/s"), ("evaluate", "accounts/s"), ("portfolio", "ms")))
        for row in rows(
            f"growth.{name}.{accounts}", unit, [(found[accounts][at], {smallest: found[extent.growth[0]][at]})]
        )
    ]


def _at(servers: Servers, accounts: int) -> tuple[float, float, float]:
    events = max(60_000, 2 * accounts)
    prefix = _filled(f"growth{accounts}.", servers, events, accounts)
    with servers.fresh_health(KIZUNA_TOPIC_PREFIX=prefix, KIZUNA_PARTITIONS=str(PARTITIONS)) as url:
        rate = absorbed(servers, url, events).rate
        began, before = time.perf_counter(), counted(url, "kizuna_accounts_evaluated_total")
        done = before
        while done < accounts and time.perf_counter() < began + PATIENCE:
            time.sleep(0.2)
            done = counted(url, "kizuna_accounts_evaluated_total")
        evaluated = (done - before) / (time.perf_counter() - began)
        listing = median(_listing(url, servers.token()) for _ in range(LISTINGS))
    console.print(
        f"[dim]{accounts} accounts: {rate:,.0f} events/s, {evaluated:,.0f} evaluations/s, {listing:.1f} ms[/dim]"
    )
    return rate, evaluated, listing


def _filled(prefix: str, servers: Servers, events: int, accounts: int) -> str:
    """Make topics under `prefix`, write so many events of so many accounts to them, and return the prefix."""
    asyncio.run(create_topics(Cluster(servers.bootstrap), TOPICS, PARTITIONS, prefix))
    preload(servers.bootstrap, events, accounts, prefix)
    return prefix


def counted(url: str, metric: str) -> float:
    """Return the sum of a counter over its labels."""
    lines = httpx.get(f"{url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((metric + "{", metric + " ")))


def _listing(url: str, token: str) -> float:
    began = time.perf_counter()
    httpx.get(f"{url}/v1/portfolio", headers={"authorization": f"Bearer {token}"}, timeout=30).raise_for_status()
    return 1000 * (time.perf_counter() - began)
