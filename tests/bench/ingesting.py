"""How ingest fares: events a second beside the naive route and bare batches, latency at a fixed rate, two processes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.bench.rows import Measure, Row, console, interleaved, measured, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.extent import Extent
    from tests.bench.servers import Servers

RATE = 1000
AIM_MS = 10.0
BUSY = 0.9
"""A client that needs more of a core than that measures itself."""


def throughput(servers: Servers, extent: Extent) -> Iterator[Row]:
    """Measure as many events as go through, at several numbers of events a request."""
    for count in extent.shapes:
        yield from interleaved(
            f"ingest.{count}",
            extent.rounds,
            partial(over_http, servers, extent, count, servers.ingest),
            {
                "naive": partial(over_http, servers, extent, count, servers.naive),
                "send_batch": partial(bare, servers, extent, count),
            },
        )


def two_processes(servers: Servers, extent: Extent) -> Iterator[Row]:
    """Measure two processes of ingest, each with half of the connections, beside one."""
    for count in {1, 100} & extent.shapes.keys():
        found = interleaved(
            f"ingest.{count}.two",
            extent.rounds,
            partial(over_http, servers, extent, count, servers.ingest, servers.second),
            {"one": partial(over_http, servers, extent, count, servers.ingest)},
        )
        yield from (row for row in found if row["unit"] == "events/s")


def latency(servers: Servers, extent: Extent) -> Iterator[Row]:
    """Measure how long single requests take that come at a fixed rate, half of them and the slowest in a hundred."""
    rounds = []
    for number in range(extent.rounds):
        found = [steadily(servers, extent, url) for url in (servers.ingest, servers.naive)]
        rounds.append(found)
        told = ", ".join(f"p50 {each['p50']:.1f} p99 {each['p99']:.1f} ms" for each in found)
        console.print(f"[dim]{RATE} requests/s {number + 1}/{extent.rounds}: {told} (naive)[/dim]")
    for part in ("p50", "p99"):
        yield from rows(f"ingest.1.{part}@{RATE}", "ms", [(own[part], {"naive": naive[part]}) for own, naive in rounds])
    yield from rows(f"ingest.1.p99@{RATE}", "ms", [(own["p99"], {"aim": AIM_MS}) for own, _ in rounds])


def memory(servers: Servers) -> list[Row]:
    """Read what the processes hold after all of it."""
    return rows("ingest.memory", "MiB", [(servers.memory(servers.ingest), {"naive": servers.memory(servers.naive)})])


def over_http(servers: Servers, extent: Extent, count: int, *urls: str) -> Measure:
    """Load one or more servers as fast as they go."""
    before = sum(servers.cpu(url) for url in urls)
    targets = ",".join(f"{url}/v1/batch" for url in urls)
    found = measured("tests.bench.load", targets, servers.key, count, extent.shapes[count], extent.seconds)
    cpu = sum(servers.cpu(url) for url in urls) - before
    if found["cpu"] > BUSY * found["seconds"]:
        console.print(f"[yellow]the client was as busy as the server: {found['cpu'] / found['seconds']:.0%}[/yellow]")
    return Measure(found["events"] / found["seconds"], 1e6 * cpu / found["events"])


def bare(servers: Servers, extent: Extent, count: int) -> Measure:
    """Send ready-made batches of that many events, as many at a time as there would be connections."""
    found = measured("tests.bench.bare", "send", servers.bootstrap, count, extent.shapes[count], extent.seconds)
    return Measure(found["events"] / found["seconds"], 1e6 * found["cpu"] / found["events"])


def steadily(servers: Servers, extent: Extent, url: str) -> dict[str, float]:
    """Send single requests at the fixed rate."""
    return measured("tests.bench.steady", f"{url}/v1/batch", servers.key, 1, RATE, extent.steady_seconds)
