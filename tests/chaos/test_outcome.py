"""A run is good only where it had the means to find out what is wrong: load, faults that hit, caught twins."""

from itertools import islice

import pytest

from tests.chaos.faults import kinds
from tests.chaos.judge import Verdict
from tests.chaos.outcome import LONG_RUN, Blow, Outcome
from tests.chaos.run import turns

KINDS = ("kill", "zombie", "kill ingest")
HIT = [Blow(kind, 1.0, "something") for kind in KINDS]


def outcome(
    blows: list[Blow] = HIT, *, offered: int = 7000, in_time: int = 7000, seconds: float = 60.0, twin: str = "lost: it"
) -> Outcome:
    return Outcome(
        *(1, seconds, Verdict(), offered, blows),
        offered=offered,
        in_time=in_time,
        kinds=KINDS,
        twins={"no_inbox": twin},
    )


def test_a_run_that_hit_everything_is_good() -> None:
    assert outcome().blind == []
    assert outcome().good


@pytest.mark.parametrize(
    ("blind", "said"),
    [
        (outcome([]), "No fault was struck."),
        (outcome([*HIT, Blow("freeze", 2.0, "")]), "'freeze' was struck 1 times and never hit work in flight."),
        (outcome([Blow(kind, 1.0, "") for kind in KINDS]), "'kill' was struck 1 times and never hit work in flight."),
        (outcome(offered=5999, in_time=5999), "Only 100 events/s were offered instead of 100."),
        (outcome(offered=200, in_time=200), "Only 3 events/s were offered instead of 100."),
        (outcome(in_time=3000), "Of 7000 events only 3000 were acknowledged while faults struck."),
        (outcome(HIT[1:], seconds=LONG_RUN, offered=40_000, in_time=40_000), "'kill' was never struck."),
        (outcome(twin=""), "The twin 'no_inbox' was not caught."),
    ],
)
def test_a_run_that_proves_too_little_is_not_good(blind: Outcome, said: str) -> None:
    assert said in blind.blind
    assert not blind.good


def test_one_blow_of_a_kind_that_hits_is_enough() -> None:
    assert outcome([Blow("kill", 0.5, ""), *HIT]).good


def test_a_short_run_need_not_have_every_kind() -> None:
    assert outcome(HIT[1:]).good


@pytest.mark.parametrize("kafka", ["embedded", "apache"])
def test_every_kind_has_its_turn_before_one_comes_again(kafka: str) -> None:
    known = kinds(kafka, LONG_RUN)
    first, second = (list(islice(turns(known, 5), 2 * len(known))) for _ in range(2))
    assert first == second
    assert sorted(first[: len(known)]) == sorted(first[len(known) :]) == sorted(known)
    assert first != list(islice(turns(known, 6), 2 * len(known)))


def test_the_longest_faults_are_for_long_runs() -> None:
    assert "long zombie" in kinds("embedded", LONG_RUN)
    assert "long zombie" not in kinds("embedded", LONG_RUN - 1)
