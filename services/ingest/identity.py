"""Owns which ids mean one person: folding alias calls into groups of ids, each known by its smallest id (its root).

The smallest id as root makes the result the same in whatever order the calls come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.errors import BadEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_IDS: Final = 200
"""So many ids may one person have. More is a client that calls everybody `undefined`: it would merge all its users."""


@dataclass(slots=True)
class People:
    """What is known of some persons before an alias call: each id's root (else itself), each group's size."""

    roots: Mapping[str, str]
    sizes: Mapping[str, int]
    _merged: dict[str, str] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)

    def join(self, previous_id: str, person_id: str) -> None:
        """Make two ids one person. Raises BadEvent(`too_many_aliases`) if the person would have over `MOST_IDS` ids."""
        first, second = sorted((self.root(previous_id), self.root(person_id)))
        if first == second:
            return
        size = self._size(first) + self._size(second)
        if size > MOST_IDS:
            raise BadEvent("too_many_aliases", f"previousId: one person may have at most {MOST_IDS} ids")
        self._merged[second] = first
        self._sizes[first] = size

    def root(self, person_id: str) -> str:
        """Return the root of the person's group, as far as it was joined."""
        root = self.roots.get(person_id, person_id)
        while root in self._merged:
            root = self._merged[root]
        return root

    def moved(self) -> dict[str, str]:
        """Return the roots that are roots no longer, each with the one in its place."""
        return {old: self.root(old) for old in self._merged}

    def _size(self, root: str) -> int:
        return self._sizes.get(root, self.sizes.get(root, 1))
