"""`make soak [MINUTES=30] [RATE=500] [KAFKA=apache]`: samples in .run/soak.csv, verdicts in .run/soak.json, PNGs.

A clean stack on free ports takes a steady load. The inbox's weeks pass so fast that generations are dropped in the run.
"""

from __future__ import annotations

import asyncio
import csv
import json
import math
import os
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from deploy.local.plan import APACHE
from shared.inbox import KEPT_DAYS
from tests.plugins.e2e import clean_deployment
from tests.soak.drawing import draw
from tests.soak.load import Load
from tests.soak.sampling import PARTS, Sample, Sampler
from tests.soak.verdicts import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from deploy.local.plan import Plan

MINUTES: Final = float(os.environ.get("MINUTES") or 30)
RATE: Final = int(os.environ.get("RATE") or 500)
SAMPLES: Final = 180
OUT: Final = Path(".run")
console = Console(stderr=True)


def main() -> None:
    """Load, sample, judge, draw; exit 1 when something grows that should not."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stack is stopped
    os.environ.setdefault("KAFKA", APACHE)
    forgotten = (KEPT_DAYS + 14) * 86_400  # seconds after which a generation is surely past its time
    os.environ.setdefault("KIZUNA_INBOX_TIME_SCALE", str(math.ceil(forgotten / (MINUTES * 60 * 0.4))))
    with tempfile.TemporaryDirectory() as folder, clean_deployment(Path(folder)) as (plan, deployment):
        load = Load(deployment.url("ingest"), deployment.environment["KIZUNA_WRITE_KEY"], RATE)
        samples = asyncio.run(_soak(plan, deployment.environment, load))
    verdicts = judge(samples, RATE)
    _write(samples, verdicts, load)
    _print(verdicts, load)
    sys.exit(any(each.good is False for each in verdicts))


async def _soak(plan: Plan, environment: Mapping[str, str], load: Load) -> list[Sample]:
    stop, began, samples = asyncio.Event(), time.monotonic(), list[Sample]()
    pause = max(2.0, MINUTES * 60 / SAMPLES)
    async with _sampler(plan, environment) as sampler, asyncio.TaskGroup() as group:
        group.create_task(load.run(stop))
        while (seconds := time.monotonic() - began) < MINUTES * 60:
            sample = {"seconds": seconds, "events": float(load.accepted)} | await sampler.take()
            samples.append(sample | _shares(sample, samples[-1] if samples else sample))
            lags = ", ".join(f"{name} {sample[name]:.0f}" for name in sample if name.endswith(".lag"))
            console.print(f"[dim]{seconds / 60:5.1f} min  {load.accepted:>9,} accepted  {lags}[/dim]")
            await asyncio.sleep(max(0, pause - (time.monotonic() - began - seconds)))
        stop.set()
    return samples


@asynccontextmanager
async def _sampler(plan: Plan, environment: Mapping[str, str]) -> AsyncIterator[Sampler]:
    headers = {"authorization": f"Bearer {environment['KIZUNA_TOKEN']}"}
    database = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        async with httpx.AsyncClient(headers=headers, timeout=30) as http:
            yield Sampler(plan, http, database)
    finally:
        await database.close()


def _shares(sample: Sample, before: Sample) -> Sample:
    """Return how many cores each process used since the sample before."""
    passed = sample["seconds"] - before["seconds"] or math.inf
    return {f"{p}.cpu_share": (sample[f"{p}.cpu_seconds"] - before[f"{p}.cpu_seconds"]) / passed for p in PARTS}


def _write(samples: list[Sample], verdicts: list[Verdict], load: Load) -> None:
    OUT.mkdir(exist_ok=True, mode=0o700)
    with (OUT / "soak.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, sorted(set().union(*samples)))
        rows.writeheader()
        rows.writerows(samples)
    told = {"minutes": MINUTES, "rate": RATE, "kafka": os.environ["KAFKA"], "accepted": load.accepted}
    told |= {"repeated": load.repeated, "behind_seconds": load.behind, "verdicts": [asdict(each) for each in verdicts]}
    (OUT / "soak.json").write_text(json.dumps(told, indent=1) + "\n")
    for path in draw(samples, OUT / "soak"):
        console.print(f"{path} drawn")


def _print(verdicts: list[Verdict], load: Load) -> None:
    table = Table("number", "first", "last", "most", "in 10 min", "", "wanted")
    for each in (verdict for verdict in verdicts if verdict.why):  # the others are in the file
        numbers = [f"{value:,.2f}" for value in (each.first, each.last, each.most, each.slope)]
        table.add_row(each.name, *numbers, {True: "good", False: "[bold red]bad", None: ""}[each.good], each.why)
    Console(width=140).print(table)
    console.print(
        f"{load.accepted:,} events accepted, {load.repeated} requests repeated, at most {load.behind:.1f} s behind time"
    )


if __name__ == "__main__":
    main()
