"""`make chaos [SECONDS=60] [SEED=…] [KAFKA=embedded|apache] [TWINS=0]`: faults against real processes, judged.

Exit 0 only when nothing was lost, counted twice, out of order, missing or doubled, at least 100 events/s were offered,
every kind of fault that was struck hit work in flight, honest services came out of the directed scenes spotless, and
each of their sabotaged twins was caught for what it does. From 300 s on every kind must be struck. The figures go to
.run/chaos.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from deploy.local.plan import EMBEDDED, broker_kind
from tests.chaos.cluster import Cluster
from tests.chaos.run import run
from tests.chaos.twins import honest, sabotaged

if TYPE_CHECKING:
    from tests.chaos.outcome import Outcome

OUT = Path(".run/chaos.json")
LOGS = Path(".run/chaos-logs")
console = Console(stderr=True, highlight=False)
_BEGAN = time.monotonic()


def say(text: str) -> None:
    """Show progress."""
    console.print(f"[dim]{time.monotonic() - _BEGAN:6.1f}[/dim]  {text}", markup=True)


async def chaos(seed: int, seconds: float, kafka: str) -> Outcome:
    """Run in a folder that is removed afterwards, whatever happens; of a bad end the logs are kept."""
    task = asyncio.current_task()
    assert task is not None
    shutil.rmtree(LOGS, ignore_errors=True)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder, good = Path(name), False
        try:
            outcome = await _chaos(folder, seed, seconds, kafka)
            good = outcome.good
        finally:
            if not good:
                shutil.copytree(folder / "log", LOGS, dirs_exist_ok=True)
    return outcome


async def _chaos(folder: Path, seed: int, seconds: float, kafka: str) -> Outcome:
    say(f"seed {seed}, {seconds:.0f} s, {kafka} broker; starting everything, with 3 x health, revenue and alerts")
    if kafka == EMBEDDED:
        say("the broker is not killed: this one keeps its records in memory alone (KAFKA=apache has that fault, too)")
    async with Cluster(folder, kafka) as cluster:
        say("ready")
        outcome = await run(cluster, seed, seconds, say)
        say("judged: " + ", ".join(f"{name} {count}" for name, count in outcome.verdict.counts.items()))
        if os.environ.get("TWINS") == "0":
            say("TWINS=0: no directed scenes and no sabotaged twins, so nothing shows that this run is not blind")
            return outcome
        outcome.honest = await honest(cluster, say)
        outcome.twins = await sabotaged(cluster, say)
        return outcome


def show(outcome: Outcome) -> None:
    """Print the table."""
    table = Table("fault", "struck", "hit work in flight", "e.g.")
    struck, hit = Counter(b.kind for b in outcome.blows), Counter(b.kind for b in outcome.blows if b.hit)
    for kind in struck:
        example = next((b.hit for b in outcome.blows if b.kind == kind and b.hit), "")
        table.add_row(kind, str(struck[kind]), str(hit[kind]), example)
    totals = Table("seed", "seconds", "acknowledged", "offered/s", *outcome.verdict.counts, "at rest after")
    rate = f"{outcome.offered / outcome.seconds:.0f}"
    row = [str(outcome.seed), f"{outcome.seconds:.0f}", str(outcome.acknowledged), rate]
    totals.add_row(*row, *map(str, outcome.verdict.counts.values()), f"{outcome.rested:.0f} s")
    out = Console()
    out.print(table, totals)
    if outcome.twins:
        out.print(_scenes(outcome))
    wrong = [f"{name}, honest: {each}" for name, found in outcome.honest.items() for each in found.examples()]
    for line in [*outcome.notes, *outcome.verdict.examples(), *wrong, *outcome.blind]:
        out.print(line, markup=False)


def _scenes(outcome: Outcome) -> Table:
    table = Table("directed scene", "honest service", "sabotaged twin", "")
    for name, finding in outcome.twins.items():
        passed = "spotless" if outcome.honest[name].spotless else "FAILED"
        table.add_row(name.replace("_", " "), passed, "caught" if finding else "NOT CAUGHT", finding)
    return table


def write(outcome: Outcome) -> None:
    """Write the figures."""
    faults = Counter(blow.kind for blow in outcome.blows)
    found = {"seed": outcome.seed, "seconds": round(outcome.seconds, 1), "faults": dict(faults), "good": outcome.good}
    OUT.parent.mkdir(exist_ok=True, mode=0o700)
    found |= {"offered": outcome.offered, "acknowledged": outcome.acknowledged, **outcome.verdict.counts}
    found["twins"] = {name: bool(finding) for name, finding in outcome.twins.items()}
    OUT.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Run, print, write, and exit with what was found."""
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    seconds = float(os.environ.get("CHAOS_SECONDS") or 60)
    kafka = broker_kind(os.environ)
    outcome = asyncio.run(chaos(seed, seconds, kafka))
    show(outcome)
    write(outcome)
    console.print(f"again: make chaos SEED={seed} SECONDS={seconds:.0f} KAFKA={kafka}")
    sys.exit(0 if outcome.good else 1)


if __name__ == "__main__":
    main()
