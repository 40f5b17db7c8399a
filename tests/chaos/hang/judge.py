"""What is promised while a fault lasts and right after it, and how a case is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from deploy.local.plan import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.hang.case import Watched

HEADINGS: Final = (
    "case",
    "posts taken/refused",
    "slowest post",
    "read",
    "memory",
    "back",
    "consumers",
    "SIGTERM",
    "lost",
)


GOOD: Final = (200, 503)
NAMED: Final = {"broker": "broker", "postgres": "database"}
"""What /readyz of every service has to name, by the first word of a fault."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Limits in seconds, except `grown` (MB). A request ends within its deadline of 5 s and half a second more.

    What cannot be done is answered with 503. `codes` are the exit codes that a process may end with.
    """

    request: float = 5.5
    back: float = 5.0
    end: float = 10.0
    grown: float = 100.0
    codes: tuple[int, ...] = (0,)


def broken(seen: Watched, promise: Promise) -> list[str]:
    """Return what was promised and not kept, a sentence each."""
    found = []
    for what, seconds in (("post", seen.slowest_post), ("read", seen.slowest_read)):
        if seconds > promise.request:
            found.append(f"a {what} took {seconds:.1f} s")
    for what, statuses in (("posts", seen.crowd), ("reads", seen.reads)):
        found += [
            f"{n} {what} were answered {status or 'not at all'}" for status, n in statuses.items() if status not in GOOD
        ]
    found += [f"{each} was not named" for each in sorted(_to_be_named(seen.fault) - seen.named)]
    found += [f"{name} grew by {mb:.0f} MB" for name, mb in seen.grown.items() if mb > promise.grown]
    if seen.ingest_back > promise.back:
        found.append(f"the first post was acknowledged after {seen.ingest_back:.1f} s")
    found += [f"{name} read on after {at:.1f} s" for name, at in seen.consumers_back.items() if at > promise.back]
    found += [
        f"{name} ended after {at:.1f} s with {code}"
        for name, (at, code) in seen.ended.items()
        if at > promise.end or code not in promise.codes
    ]
    return found + ([f"{len(seen.lost)} lost, e.g. {seen.lost[0]}"] if seen.lost else [])


def _to_be_named(fault: str) -> set[str]:
    part = NAMED.get(fault.split(maxsplit=1)[0])
    return {f"/readyz {service}: {part}" for service in SERVICES} if part else set()


def table(cases: Iterable[Watched], promise: Promise) -> str:
    """Return a line per case, and under it what was not kept."""
    rows = [HEADINGS, *(_row(each) for each in cases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for number, seen in enumerate(cases, start=1):
        lines[number] += "  " + ("; ".join(broken(seen, promise)) or "held")
    return "\n".join(lines)


def _row(seen: Watched) -> tuple[str, ...]:
    worst = max(seen.grown.values(), default=0.0)
    return (
        f"{seen.fault}, {seen.seconds:.0f} s",
        f"{seen.crowd.get(200, 0)}/{seen.crowd.get(503, 0)}",
        f"{seen.slowest_post:.2f} s",
        f"{seen.slowest_read:.2f} s",
        f"{worst:+.0f} MB",
        f"{seen.ingest_back:.1f} s",
        f"{max(seen.consumers_back.values(), default=float('nan')):.1f} s",
        f"{max((at for at, _ in seen.ended.values()), default=0):.1f} s",
        f"{len(seen.lost)} of {seen.looked_up}",
    )
