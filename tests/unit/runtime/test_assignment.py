"""Where reading starts: never a silent jump, never a record left out that the broker still has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.assignment import WrongTopics, _choose, _require_as_before
from shared.positions import Stored

PLACES = st.tuples(st.sampled_from(["usage.v1", "backfill.v1"]), st.integers(0, 3))
OFFSETS = st.integers(0, 1000)
STORED = st.builds(Stored, st.sampled_from(["here", "elsewhere"]), OFFSETS)


@given(st.dictionaries(PLACES, OFFSETS), st.dictionaries(PLACES, STORED), st.booleans())
def test_every_place_starts_somewhere_and_every_jump_is_reported(
    earliest: dict[tuple[str, int], int], stored: dict[tuple[str, int], Stored], lost: bool
) -> None:
    starts, incidents = _choose(stored, earliest, "here", lost=lost)
    reported = {tuple(each[:2]) for affected in incidents.values() for each in affected}
    assert starts.keys() == earliest.keys()
    for place, offset in starts.items():
        known = stored.get(place)
        assert offset >= earliest[place]
        if known and (known.cluster, known.next_offset) == ("here", offset) and not lost:
            assert place not in reported
        elif known:
            assert place in reported
            assert offset == earliest[place]
        else:
            assert offset == earliest[place]
            assert place not in reported


def test_each_kind_of_jump_has_its_name() -> None:
    earliest = {("usage.v1", 0): 10, ("usage.v1", 1): 10, ("usage.v1", 2): 10}
    stored = {
        ("usage.v1", 0): Stored("elsewhere", 50),
        ("usage.v1", 1): Stored("here", 5),
        ("usage.v1", 2): Stored("here", 20),
    }
    starts, incidents = _choose(stored, earliest, "here", lost=False)
    assert starts == {("usage.v1", 0): 10, ("usage.v1", 1): 10, ("usage.v1", 2): 20}
    assert incidents == {"another_cluster": [["usage.v1", 0, 50, 10]], "gap": [["usage.v1", 1, 5, 10]]}
    _, incidents = _choose({("usage.v1", 2): Stored("here", 20)}, {("usage.v1", 2): 10}, "here", lost=True)
    assert list(incidents) == ["younger_broker"]


def test_a_database_of_more_partitions_is_refused_with_the_remedy() -> None:
    _require_as_before(None, 4)
    _require_as_before(3, 4)
    with pytest.raises(WrongTopics, match=r"12 partitions.*KIZUNA_PARTITIONS"):
        _require_as_before(11, 4)
