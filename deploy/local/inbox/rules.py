"""Owns the small language in which Slack's limits are written: rules that name what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Rule = Callable[[Any, str], Iterator[str]]
"""Takes a value and its JSON pointer; yields one sentence per fault."""


def complaint(problem: str, place: str) -> str:
    """Word a fault as Slack does: the problem, then the place as a JSON pointer."""
    return f"[ERROR] {problem} [json-pointer:{place}]"


def string(most: int, *, least: int = 1) -> Rule:
    """Accept a text of `least` to `most` characters."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield complaint("must be a string", place)
        elif len(value) > most:
            yield complaint(f"must be less than {most + 1} characters", place)
        elif len(value) < least:
            yield complaint(f"must be more than {least - 1} characters", place)

    return check


def link(most: int) -> Rule:
    """Accept an absolute http(s) or mailto URL of at most `most` characters."""
    length = string(most)

    def check(value: Any, place: str) -> Iterator[str]:
        yield from length(value, place)
        if isinstance(value, str) and not value.startswith(("https://", "http://", "mailto:")):
            yield complaint("must be a valid URL", place)

    return check


def flag(value: Any, place: str) -> Iterator[str]:
    """Accept true and false."""
    if not isinstance(value, bool):
        yield complaint("must be a boolean", place)


def one_of(*names: str) -> Rule:
    """Accept one of some words."""

    def check(value: Any, place: str) -> Iterator[str]:
        if value not in names:
            yield complaint(f"must be one of: {', '.join(names)}", place)

    return check


def many(rule: Rule, most: int, *, least: int = 1) -> Rule:
    """Accept a list of `least` to `most` items that all keep `rule`."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield complaint("must be an array", place)
            return
        if len(value) > most:
            yield complaint(f"no more than {most} items allowed", place)
        if len(value) < least:
            yield complaint(f"must have at least {least} items", place)
        for index, item in enumerate(value):
            yield from rule(item, f"{place}/{index}")

    return check


def shape(required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Rule:
    """Accept an object that has all required fields, any of the optional ones, and no others."""
    known = {**required, **optional}

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield complaint("must be an object", place)
            return
        for name in [name for name in required if name not in value]:
            yield complaint(f"missing required field: {name}", place)
        for name, part in value.items():
            if name not in known:
                yield complaint(f"no such field: {name}", place)
            else:
                yield from known[name](part, f"{place}/{name}")

    return check


def typed(rules: Mapping[str, Rule]) -> Rule:
    """Accept an object that keeps the rule of its own `type`."""

    def check(value: Any, place: str) -> Iterator[str]:
        name = value.get("type") if isinstance(value, dict) else None
        if not isinstance(name, str) or name not in rules:
            yield complaint(f"unsupported type: {name}", place)
        else:
            yield from rules[name](value, place)

    return check
