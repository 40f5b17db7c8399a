"""What a run finds: values beside others that were measured in the same rounds, so that noise hurts them alike."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

console = Console(stderr=True)


class Row(TypedDict):
    """One row of `.run/bench.json`. `ratio` is the median of the rounds' ratios of value and baseline."""

    name: str
    unit: str
    value: float
    baseline: str
    baseline_value: float
    ratio: float


class Measure(NamedTuple):
    """Events a second, and microseconds of processor time that the measured process spent on each."""

    rate: float
    cpu: float


Round = tuple[float, "Mapping[str, float]"]


def measured(module: str, *arguments: object) -> dict[str, float]:
    """Run one measuring process and return what it printed."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found.get("failed"):
        raise SystemExit(f"{' '.join(command)}: {found['failed']} requests were not answered 200")
    return found


def interleaved(
    name: str, rounds: int, product: Callable[[], Measure], baselines: Mapping[str, Callable[[], Measure]]
) -> list[Row]:
    """Measure product and baselines in turn, `rounds` times; return the rows of rates and of processor time."""
    found = []
    for number in range(rounds):
        found.append((product(), {each: measure() for each, measure in baselines.items()}))
        beside = ", ".join(f"{each} {other.rate:,.0f}" for each, other in found[-1][1].items())
        console.print(f"[dim]{name} {number + 1}/{rounds}: {found[-1][0].rate:,.0f} events/s; {beside}[/dim]")
    rates = [(value.rate, {each: other.rate for each, other in others.items()}) for value, others in found]
    costs = [(value.cpu, {each: other.cpu for each, other in others.items()}) for value, others in found]
    return [*rows(name, "events/s", rates), *rows(f"{name}.cpu", "µs/event", costs)]


def rows(name: str, unit: str, rounds: Iterable[Round]) -> list[Row]:
    """Return a row per baseline, with the medians of all rounds."""
    rounds = list(rounds)
    return [
        Row(
            name=name,
            unit=unit,
            value=round(median(value for value, _ in rounds), 3),
            baseline=each,
            baseline_value=round(median(others[each] for _, others in rounds), 3),
            ratio=round(median(value / others[each] if others[each] else 0 for value, others in rounds), 3),
        )
        for each in rounds[0][1]
    ]
