"""`make poison`: attack a real stack with hostile records and print what each service made of each. Exit 1 if wrong."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cli.output import console, table
from deploy.local.plan import CONSUMERS
from tests.plugins.e2e import clean_deployment
from tests.poison.judging import tally
from tests.poison.remedies import halted, replayed
from tests.poison.siege import APPLIED_SECONDS, Act, Siege, is_hostile

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> int:
    """Run all acts on a stack of its own; return the exit code."""
    acts = []
    with tempfile.TemporaryDirectory() as folder, clean_deployment(Path(folder)) as (plan, deployment):
        siege = Siege(plan, deployment)
        for act in (siege.among_neighbours("a"), siege.again(), siege.under_fire("b")):
            acts.append(act)
            sys.stderr.write(f"  {act.name}: {len(act.wrong)} wrong\n")
        remedies = {
            "letters replayed by reason, dry run first, twice": list(replayed(deployment)),
            "a handler that fails on everything, then mended": list(halted(plan, deployment)),
        }
    if acts[0].seconds > APPLIED_SECONDS:
        acts[0].wrong.append(f"applied after {acts[0].seconds:.1f} s, promised are {APPLIED_SECONDS:.0f}")
    console().print(table(("case", "topic", *CONSUMERS), verdicts(acts[0])))
    console().print(table(("placed", "seconds>", *CONSUMERS, "wrong>"), map(summary, acts)))
    console().print(
        table(("remedy", "outcome"), ((name, "; ".join(wrong) or "held") for name, wrong in remedies.items()))
    )
    for act in acts:
        for line in (*act.struck, *act.wrong):
            console().print(f"{act.name}: {line}", markup=False)
    return 1 if any(act.wrong for act in acts) or any(remedies.values()) else 0


def verdicts(act: Act) -> Iterator[tuple[str, ...]]:
    """Yield a line for each hostile record."""
    for placed in act.placed:
        case = placed.case
        if is_hostile(placed):
            said = (act.found.verdict(name, placed) if name in case.verdicts else "" for name in CONSUMERS)
            yield case.name, case.topic, *said


def summary(act: Act) -> tuple[str, ...]:
    """Return a line on one act."""
    counts = tally(act.placed, act.found)
    said = (", ".join(f"{count} {kind}" for kind, count in sorted(counts[name].items())) for name in CONSUMERS)
    return act.name, f"{act.seconds:.1f}", *said, str(len(act.wrong))


if __name__ == "__main__":
    sys.exit(main())
