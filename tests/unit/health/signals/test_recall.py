"""What health said is read back as it was: episodes from signals, and the last told score from changes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.course import health
from services.health.episode import Arrival, Episode, decide, event_of, heard
from services.health.rulebook import Rulebook
from services.health.standing import Before, change_of, standing, told_before
from shared.events import Event, ScoreChanged, Signal, decode_event, encode_event
from tests.unit.health.histories import History, histories
from tests.unit.health.signals.build import NOW
from tests.unit.health.signals.test_episode import finding

RULES = Rulebook.read()
FOUND = st.lists(
    st.builds(
        finding,
        signal=st.sampled_from(["s", "t"]),
        severity=st.sampled_from(["high", "critical"]),
        days=st.sampled_from([1, 5]),
        event=st.sampled_from(["e1", "e2"]),
    ),
    unique_by=lambda each: each.signal,
)
CAME = st.builds(Arrival, settled=st.just(value=True), awake=st.booleans())


@given(st.lists(st.tuples(FOUND, CAME), max_size=12), st.data())
def test_episodes_are_as_they_were_said_however_often_a_line_is_repeated(
    course: list[tuple[list[object], Arrival]], data: st.DataObject
) -> None:
    known: dict[str, Episode] = {}
    spoken: list[Event] = []
    for findings, came in course:
        said, _ = decide("acme", known.values(), findings, came)  # type: ignore[arg-type]  # findings
        known |= {each.episode.episode: each.episode for each in said}
        spoken += [decode_event(encode_event(event_of(each, None, NOW))) for each in said]
    recalled: dict[str, Episode] = {}
    for event in spoken:
        for _ in range(data.draw(st.integers(1, 2))):
            signal = event.data
            assert isinstance(signal, Signal)
            after = heard(recalled.get(signal.episode), event, signal)
            recalled |= {after.episode: after} if after else {}
    assert recalled == known


@settings(max_examples=30, deadline=None)
@given(histories(), st.integers(0, 20))
def test_the_last_told_score_is_no_news_again(given: History, missed: int) -> None:
    facts = given.facts()
    found = health(facts, given.as_of, RULES.standard, RULES.measures)
    before = Before(None, "critical", missed)  # who has no score is in no such band
    event = change_of(standing(facts, found, (), before), before)
    assert event is not None
    told = decode_event(encode_event(event))
    assert isinstance(told.data, ScoreChanged)
    recalled = told_before(None, told, told.data)
    assert recalled.sequence == missed + 1
    again = Before(recalled.score, recalled.band, recalled.sequence)
    assert change_of(standing(facts, found, (), again), again) is None
