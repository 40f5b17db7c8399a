"""The band beside the score: slow to follow noise, at once where a gate holds the score down."""

from hypothesis import given, settings

from services.health.course import BANDS, band_of, health
from services.health.rulebook import Rulebook
from tests.unit.health.histories import History, histories

RULES = Rulebook.read()


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_gate_that_holds_the_score_down_is_seen_in_the_band_at_once(given: History) -> None:
    found = health(given.facts(), given.as_of, RULES.standard, RULES.measures)
    if found.score.value is None:
        assert found.band == "unknown"
    elif any(term.effect < 0 for term in found.score.gates):
        own = band_of(found.score.value, RULES.standard.bands)
        assert BANDS.index(found.band) <= BANDS.index(own)
