"""Who is who comes out the same in whatever order the alias calls come, and no crowd becomes one person."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.identity import MOST_IDS, People
from shared.errors import BadEvent

NAMES = st.sampled_from("abcdefghij")
PAIRS = st.lists(st.tuples(NAMES, NAMES), max_size=15)


def groups(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The plainest way there is: each pass takes over the smaller root, until nothing changes."""
    roots = {name: name for pair in pairs for name in pair}
    for _ in roots:
        for one, other in pairs:
            roots[one] = roots[other] = min(roots[one], roots[other])
    return roots


def joined(pairs: list[tuple[str, str]], known: dict[str, str] | None = None) -> dict[str, str]:
    people = People(known or {}, {})
    for pair in pairs:
        people.join(*pair)
    names = {name for pair in pairs for name in pair} | set(known or {})
    return {name: people.root(name) for name in names}


@given(PAIRS, st.randoms(use_true_random=False))
def test_order_does_not_matter(pairs: list[tuple[str, str]], random: Random) -> None:
    shuffled = [pair[::-1] if random.random() < 0.5 else pair for pair in random.sample(pairs, len(pairs))]
    assert joined(pairs) == joined(shuffled) == groups(pairs)


@given(PAIRS, PAIRS)
def test_it_can_be_done_in_steps(first: list[tuple[str, str]], second: list[tuple[str, str]]) -> None:
    known = joined(first)
    people = People(known, {root: list(known.values()).count(root) for root in known.values()})
    for pair in second:
        people.join(*pair)
    moved = people.moved()
    stored = {name: moved.get(root, root) for name, root in known.items()}
    stored |= {name: people.root(name) for pair in second for name in pair}
    assert stored == groups(first + second)


def test_a_crowd_is_not_one_person() -> None:
    people = People({}, {})
    for number in range(MOST_IDS - 1):
        people.join(f"anon-{number}", "undefined")
    people.join("anon-0", "undefined")
    with pytest.raises(BadEvent) as caught:
        people.join("one more", "undefined")
    assert caught.value.code == "too_many_aliases"
    assert people.root("one more") == "one more"


def test_known_groups_count_with_their_size() -> None:
    people = People({"a": "a", "b": "b"}, {"a": MOST_IDS - 1, "b": 2})
    with pytest.raises(BadEvent):
        people.join("a", "b")
    people.join("a", "new")
