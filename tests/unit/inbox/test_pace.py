"""One message a second into a channel, and the stand-in holds to what it said."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.inbox.pace import INTERVAL, TIDY_ABOVE, Pace


def test_the_second_message_within_a_second_must_wait() -> None:
    pace = Pace()
    assert pace.wait("C1", 100.0) is None
    assert pace.wait("C1", 100.4) == 1
    assert list(pace.violations) == []


def test_whoever_waits_as_told_is_served() -> None:
    pace = Pace()
    pace.wait("C1", 100.0)
    seconds = pace.wait("C1", 100.4)
    assert seconds is not None
    assert pace.wait("C1", 100.4 + seconds) is None
    assert list(pace.violations) == []


def test_whoever_does_not_wait_is_noted_and_told_again() -> None:
    pace = Pace()
    pace.close("C1", 100.0, 3)
    assert pace.wait("C1", 101.5) == 2
    [violation] = pace.violations
    assert violation.as_json() == {"channel_id": "C1", "at": 101.5, "early": 1.5}


def test_all_can_be_forgotten() -> None:
    pace = Pace()
    pace.close("C1", 100.0, 3)
    pace.wait("C1", 100.0)
    pace.forget()
    assert pace.wait("C1", 100.0) is None
    assert list(pace.violations) == []


def test_channels_do_not_slow_each_other() -> None:
    pace = Pace()
    assert pace.wait("C1", 100.0) is None
    assert pace.wait("C2", 100.0) is None


def test_channels_of_the_past_are_forgotten() -> None:
    pace = Pace()
    for number in range(TIDY_ABOVE + 2):
        pace.wait(f"C{number}", float(number))
    assert len(pace._free_at) < 5


@given(st.lists(st.tuples(st.sampled_from(["C1", "C2"]), st.floats(0, 3)), max_size=40))
def test_taken_messages_are_a_second_apart_and_answers_are_whole_seconds(calls: list[tuple[str, float]]) -> None:
    pace, now, taken = Pace(), 0.0, {"C1": [-INTERVAL], "C2": [-INTERVAL]}
    for channel, pause in calls:
        now += pause
        seconds = pace.wait(channel, now)
        if seconds is None:
            assert now - taken[channel][-1] >= INTERVAL
            taken[channel].append(now)
        else:
            assert seconds >= 1
            assert isinstance(seconds, int)
