"""What samples say: how fast each number grows after warm-up, and whether that may be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import linear_regression, median, quantiles
from typing import TYPE_CHECKING, Final

from deploy.local.plan import ARCHIVE, CONSUMERS, SERVICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.soak.sampling import Sample

TEN_MINUTES: Final = 600.0
WARM_UP_SHARE: Final = 0.2
WARM_UP_SECONDS: Final = 300.0
LAG_SECONDS: Final = 10.0  # what a busy machine may be behind at a moment
SPIKE_SECONDS: Final = 60.0  # and when all accounts fall due at once
RISE_SECONDS: Final = 1.0  # what lag may rise by in ten minutes
MOST_GENERATIONS: Final = 9.0  # 30 days and the week that ends them, the week of now, the next
WATCHED: Final = (*SERVICES, ARCHIVE)  # files of the archive are written, and first full, long before the warm-up ends
# Tables that grow by what was accepted, and by nothing else.
GROWS: Final = {
    "inbox": "an id per event, dropped by generation",
    "usage_delta": "a row per person, kind and batch, kept in monthly partitions",
    "fact": "a row per event that is not usage, kept",
    "usage_day": "a row per account and day, rewritten; vacuum reuses its space",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One number's course after warm-up: `high` is what 19 of 20 samples stay under, `slope` the growth in ten minutes.

    The slope of a lag is that between its usual values in the first and in the second half, whatever spikes there are.
    `good` None: not judged.
    """

    name: str
    first: float
    last: float
    most: float
    high: float
    slope: float
    good: bool | None = None
    why: str = ""


def judge(samples: Sequence[Sample], rate: int) -> list[Verdict]:
    """Return a verdict on every number that was sampled throughout; slopes take ten minutes to be judged."""
    length = samples[-1]["seconds"]
    warm_up = min(WARM_UP_SECONDS, length * WARM_UP_SHARE)
    warm = [sample for sample in samples if sample["seconds"] >= warm_up]
    names = [name for name in samples[-1] if name not in {"seconds", "events"} and all(name in each for each in warm)]
    long_enough = length - warm_up >= TEN_MINUTES
    return [_judged(_course(name, warm), rate, long_enough=long_enough) for name in names]


def _course(name: str, samples: Sequence[Sample]) -> Verdict:
    values, seconds = [sample[name] for sample in samples], [sample["seconds"] for sample in samples]
    slope = _rise(seconds, values) if name.endswith(".lag") else linear_regression(seconds, values).slope
    return Verdict(name, values[0], values[-1], max(values), quantiles(values, n=20)[-1], slope * TEN_MINUTES)


def _rise(seconds: Sequence[float], values: Sequence[float]) -> float:
    half = len(values) // 2
    return (median(values[half:]) - median(values[:half])) / (median(seconds[half:]) - median(seconds[:half]))


def _judged(found: Verdict, rate: int, *, long_enough: bool) -> Verdict:
    part, _, what = found.name.partition(".")
    most_slope = {"rss_mib": 1.0, "descriptors": 3.0}.get(what) if part in WATCHED else None
    if most_slope is not None:
        wanted = f"grows less than {most_slope:g} in ten minutes"
        return replace(found, good=found.slope < most_slope if long_enough else None, why=wanted)
    if what == "lag":
        return _judged_lag(found, rate, long_enough=long_enough)
    most = {"outbox": rate * LAG_SECONDS if part in CONSUMERS else 0, "dead_letters": 0.0}
    if what in most:
        return replace(found, good=found.last <= most[what], why=f"at most {most[what]:g} at the end")
    if what == "inbox_generations":
        return replace(found, good=found.most <= MOST_GENERATIONS, why=f"at most {MOST_GENERATIONS:g}: old ones go")
    return replace(found, why=GROWS.get(what.removeprefix("table.").removesuffix("_mib"), ""))


def _judged_lag(found: Verdict, rate: int, *, long_enough: bool) -> Verdict:
    usual, spike, rise = rate * LAG_SECONDS, rate * SPIKE_SECONDS, rate * RISE_SECONDS
    good = max(found.high, found.last) <= usual and found.most <= spike and (found.slope < rise or not long_enough)
    why = (
        f"flat: mostly and at the end at most {usual:g}, never over {spike:g}, rises less than {rise:g} in ten minutes"
    )
    return replace(found, good=good, why=why)
