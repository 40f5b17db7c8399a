"""`make bench [KAFKA=apache] [LONG=1] [SMOKE=1]`: rows of {name, unit, value, baseline, baseline_value, ratio}.

They lie in `.run/bench.json`, one per name and baseline. Each round measures product and baselines one after the other,
so that a noisy machine hurts them alike; a row holds the medians and the median of the rounds' ratios. Speed never
fails this command.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.bench import absorbing, ingesting
from tests.bench.extent import Extent, chosen
from tests.bench.grave import grave
from tests.bench.rows import Row, console
from tests.bench.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT = Path(".run/bench.json")


def main() -> None:
    """Measure, print a table, write the file."""
    began, extent = time.monotonic(), chosen()
    with tempfile.TemporaryDirectory() as folder:
        found = [*_services(Path(folder), extent)]
        if extent.grave_facts:
            found += grave(Path(folder) / "stack", extent.grave_facts)
    OUT.parent.mkdir(exist_ok=True, mode=0o700)
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    Console().print(_table(found))
    console.print(f"{OUT} written after {time.monotonic() - began:.0f} s")


def _services(folder: Path, extent: Extent) -> Iterator[Row]:
    with _running(folder) as servers:
        yield from ingesting.throughput(servers, extent)
        yield from ingesting.two_processes(servers, extent)
        yield from ingesting.latency(servers, extent)
        yield from ingesting.memory(servers)
        yield from absorbing.absorbing(servers, extent)
        if extent.growth:
            yield from absorbing.growth(servers, extent)


@contextmanager
def _running(folder: Path) -> Iterator[Servers]:
    servers = Servers(folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def _table(found: list[Row]) -> Table:
    table = Table("name", "unit", "value", "beside", "value", "ratio")
    for row in found:
        values = f"{row['value']:,.1f}", row["baseline"], f"{row['baseline_value']:,.1f}", f"{row['ratio']:.2f}"
        table.add_row(row["name"], row["unit"], *values)
    return table


if __name__ == "__main__":
    main()
