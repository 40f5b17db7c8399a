"""Reads a Dockerfile and a .dockerignore, as far as ours go."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Instruction(NamedTuple):
    """One instruction, its continued lines joined: `RUN` and what follows it."""

    name: str
    text: str


@dataclass(slots=True)
class Stage:
    """From one FROM to the next."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What its ENV instructions set."""
        lines = [each.text for each in self.instructions if each.name == "ENV"]
        return dict(word.split("=", 1) for line in lines for word in shlex.split(line))


def stages(dockerfile: Path) -> list[Stage]:
    """Return the stages of a Dockerfile; the last one becomes the image."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in filter(None, map(str.strip, re.sub(r"\\\n", " ", text).splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append(Stage(rest.partition(" AS ")[2] or rest))
        else:
            found[-1].instructions.append(Instruction(name, rest.strip()))
    return found


def allowed(root: Path, source: str) -> Iterator[Path]:
    """Return the files at or below `source` that .dockerignore lets through."""
    patterns = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    rules = [(_regex(line.removeprefix("!")), line.startswith("!")) for line in patterns]
    place = root / source
    for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
        parts = file.relative_to(root).parts
        paths = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        verdicts = [let for rule, let in rules if any(rule.fullmatch(path) for path in paths)]
        if file.is_file() and (not verdicts or verdicts[-1]):
            yield file


def _regex(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: `**` matches any number of folders, `*` and `[…]` within a name."""
    parts = re.split(r"(\*\*/|\*|\[[^]]+\])", pattern.strip("/"))
    words = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(words.get(each, each if each.startswith("[") else re.escape(each)) for each in parts))
