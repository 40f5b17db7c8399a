"""A twin is caught for what it does: not for being slow, and not for anything else."""

import pytest

from tests.chaos.judge import UNREST, Verdict
from tests.chaos.twins import TWINS, Twin

NAMES = {twin.name: twin for twin in TWINS}


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_being_slow_gives_no_twin_away(twin: Twin) -> None:
    late = Verdict(lost=[f"{UNREST}deliveries 1"])
    assert twin.betrayed(late) == ""
    getattr(late, twin.heading).append(f"{twin.words} of somebody who is not done yet")
    assert twin.betrayed(late) == ""


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_twin_is_given_away_by_what_it_does_and_nothing_else(twin: Twin) -> None:
    assert twin.betrayed(Verdict()) == ""
    assert twin.betrayed(Verdict(**{twin.heading: ["something else"]})) == ""
    assert twin.betrayed(Verdict(**{twin.heading: [f"a {twin.words} b"]})) == f"{twin.heading}: a {twin.words} b"


def test_an_outbox_that_is_never_emptied_is_what_reading_it_by_a_cursor_does() -> None:
    missing = "a: nothing on signals.v1"
    twin = NAMES["outbox_by_cursor"]
    assert twin.betrayed(Verdict([f"{UNREST}health outbox 2"], signals_missing=[missing]))
    assert not twin.betrayed(Verdict([f"{UNREST}health outbox 2, deliveries 1"], signals_missing=[missing]))
