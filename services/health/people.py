"""Who is the same person: numbers joined by aliases. Pure."""

from collections.abc import Iterable, Mapping


def same_persons(pairs: Iterable[tuple[int, int]]) -> Mapping[int, int]:
    """Return for every number in a pair the least number that stands for the same person; order plays no part."""
    parent: dict[int, int] = {}

    def root(number: int) -> int:
        while (above := parent.setdefault(number, number)) != number:
            number = above
        return number

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return {number: root(number) for number in list(parent)}
