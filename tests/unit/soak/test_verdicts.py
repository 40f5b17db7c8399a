"""What is said of a soak: growth is found behind the warm-up, and only a run that is long enough is judged by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soak.verdicts import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.soak.sampling import Sample


def course(minutes: int) -> dict[str, Verdict]:
    """Judge a run in which memory jumps during warm-up and then grows by 2 MiB in ten minutes."""
    samples: list[Sample] = []
    for second in range(0, minutes * 60 + 1, 10):
        memory = 50.0 if second < 60 else 100 + second / 300
        parts = {f"{part}.rss_mib": memory for part in ("health", "archive", "broker")}
        samples.append({"seconds": second, "events": 0} | parts)
    return {each.name: each for each in judge(samples, rate=500)}


def test_memory_is_judged_by_its_growth_after_warm_up() -> None:
    found = course(30)
    assert found["health.rss_mib"].slope == pytest.approx(2)
    assert found["health.rss_mib"].good is False
    assert found["archive.rss_mib"].good is False
    assert found["broker.rss_mib"].good is None, "what is not ours is shown and not judged"


def test_a_short_run_does_not_judge_growth() -> None:
    assert course(5)["health.rss_mib"].good is None


@pytest.mark.parametrize(
    ("name", "value", "good"), [("lag", 5000, True), ("lag", 5001, False), ("outbox", 9600, False)]
)
def test_what_waits_at_the_end_is_judged(name: str, value: float, *, good: bool) -> None:
    samples: list[Sample] = [{"seconds": second, "events": 0, f"health.{name}": 0.0} for second in range(100)]
    samples[-1][f"health.{name}"] = value
    [found] = judge(samples, rate=500)
    assert found.good is good


def flat(second: int) -> float:
    return 20.0


def rising(second: int) -> float:
    return 2.7 * second


def spiking(second: int) -> float:
    return 25_000.0 if 1000 <= second < 1060 else 20.0


def drowning(second: int) -> float:
    return 40_000.0 if 1000 <= second < 1060 else 20.0


def behind_until_the_end(second: int) -> float:
    return 9_000.0 if second < 1790 else 20.0


@pytest.mark.parametrize(
    ("lag", "good"), [(flat, True), (rising, False), (spiking, True), (drowning, False), (behind_until_the_end, False)]
)
def test_lag_is_to_be_flat(lag: Callable[[int], float], *, good: bool) -> None:
    samples: list[Sample] = [{"seconds": n, "events": 0, "health.lag": lag(n)} for n in range(0, 1800, 10)]
    [found] = judge(samples, rate=500)
    assert found.good is good
    assert found.last <= 5000, "the end alone tells nothing"


def test_the_inbox_may_not_keep_every_generation() -> None:
    samples: list[Sample] = [{"seconds": n, "events": 0, "health.inbox_generations": n / 10} for n in range(100)]
    [found] = judge(samples, rate=500)
    assert found.good is False
