"""`make bench [SECONDS=3] [ROUNDS=3]`: rows of {name, unit, value, baseline, baseline_value, ratio} in .run/bench.json.

Each round measures product and baselines one after the other, so that a noisy machine hurts them alike; the row holds
the medians and the median of the rounds' ratios. Speed never fails this command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console
from rich.table import Table

from tests.bench.servers import Servers, preload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = float(os.environ.get("SECONDS_EACH", "2"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SHAPES = {1: 64, 20: 32, 100: 16, 1000: 8}  # events a request: connections
PRELOADED = 90_000
OUT = Path(".run/bench.json")
console = Console(stderr=True)


def measured(module: str, *arguments: object) -> dict[str, float]:
    """Run one measuring process and return what it printed."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found.get("failed"):
        raise SystemExit(f"{' '.join(command)}: {found['failed']} requests were not answered 200")
    return found


def rate(found: dict[str, float]) -> float:
    """Return events a second."""
    return found["events"] / found["seconds"]


def interleaved(
    name: str, product: Callable[[], float], baselines: dict[str, Callable[[], float]]
) -> list[dict[str, Any]]:
    """Measure in rounds; return one row per baseline."""
    rounds = []
    for number in range(ROUNDS):
        console.print(f"[dim]{name} round {number + 1} of {ROUNDS}[/dim]")
        rounds.append((product(), {each: measure() for each, measure in baselines.items()}))
    return [
        {
            "name": name,
            "unit": "events/s",
            "value": round(median(value for value, _ in rounds), 1),
            "baseline": each,
            "baseline_value": round(median(others[each] for _, others in rounds), 1),
            "ratio": round(median(value / others[each] for value, others in rounds), 3),
        }
        for each in baselines
    ]


def ingest_rows(servers: Servers) -> Iterator[dict[str, Any]]:
    """Measure events a second over HTTP, at several numbers of events a request."""
    for count, connections in SHAPES.items():

        def over_http(url: str, count: int = count, connections: int = connections) -> float:
            return rate(measured("tests.bench.load", url, servers.key, count, connections, SECONDS))

        def bare(count: int = count, connections: int = connections) -> float:
            return rate(measured("tests.bench.bare", "send", servers.bootstrap, count, connections, int(SECONDS)))

        yield from interleaved(
            f"ingest.{count}",
            lambda: over_http(f"{servers.ingest}/v1/batch"),
            {"naive": lambda: over_http(f"{servers.naive}/v1/batch"), "send_batch": bare},
        )


def absorb_row(servers: Servers) -> list[dict[str, Any]]:
    """Measure how fast health absorbs usage, dedupe included, beside reading alone."""
    preload(servers.bootstrap, PRELOADED)

    def absorb() -> float:
        with servers.fresh_health() as url:
            return _absorbing(url)

    def consume() -> float:
        return rate(measured("tests.bench.bare", "consume", servers.bootstrap, PRELOADED))

    return interleaved("absorb.health", absorb, {"consume": consume})


def _absorbing(url: str) -> float:
    first, began, done = 0.0, 0.0, 0.0
    while done < PRELOADED:
        done, now = _counted(url), time.perf_counter()
        if done and not began:
            first, began = done, now
        time.sleep(0.02)
    return (done - first) / max(now - began, 1e-6)


def _counted(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("kizuna_events_absorbed_total{"))


@contextmanager
def running() -> Iterator[Servers]:
    """Start the servers in a folder of their own and stop them afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder))
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()


def main() -> None:
    """Measure, print a table, write the file."""
    began = time.monotonic()
    with running() as servers:
        rows = [*ingest_rows(servers), *absorb_row(servers)]
    OUT.parent.mkdir(exist_ok=True, mode=0o700)
    OUT.write_text(json.dumps(rows, indent=1) + "\n")
    table = Table("name", "events/s", "beside", "events/s", "ratio")
    for row in rows:
        values = f"{row['value']:,.0f}", f"{row['baseline_value']:,.0f}", f"{row['ratio']:.2f}"
        table.add_row(row["name"], values[0], row["baseline"], values[1], values[2])
    Console().print(table)
    console.print(f"{OUT} written after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
