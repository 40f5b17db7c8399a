"""Cuts the demo's slice out of the whole data set: `python -m cli.demo.slice DIR OUT`.

Keeps every subscription row of the chosen accounts and their usage of the last 26 weeks. Chosen are the account whose
usage has fallen most while it is still a customer, and of those that left, grew, shrank or stayed within these weeks
the liveliest that are not too large.
"""

from __future__ import annotations

import csv
import lzma
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from typing import IO, TYPE_CHECKING, Final

from cli.importer import crm6
from cli.importer.files import csv_rows, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WEEKS: Final = 26
MOST_EVENTS: Final = 4_000
WANTED: Final = {"left": 5, "grew": 6, "shrank": 3, "stayed": 13}
RECENT: Final = 3
BASE: Final = 8
LEAST_BASE: Final = 3
FALLEN: Final = 0.65
STAYS_ON: Final = timedelta(days=8)
"""A contract must run on at least this long after the data ends, or it would be over when the demo is looked at."""


@dataclass(slots=True)
class Account:
    """What the choice is made by: people per week (0 is the oldest), number of events, MRR by day."""

    id: str
    people: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    events: int = 0
    rows: list[dict[str, str]] = field(default_factory=list)

    def mrr(self, day: date) -> int:
        """Return what the account paid a month on a day."""
        return sum(int(row["mrr"]) for row in self.rows if row["start_date"] <= day.isoformat() < row["end_date"])

    def fall(self) -> float:
        """Return recent weekly people over the weeks before; 1 where there were too few to tell."""
        weeks = [len(self.people[week]) for week in range(WEEKS)]
        base = median(weeks[-RECENT - BASE : -RECENT])
        return fmean(weeks[-RECENT:]) / base if base >= LEAST_BASE else 1

    def course(self, begin: date, end: date) -> str:
        """Return how the account fared between two days: left, grew, shrank, stayed, or none of them."""
        before, after, later = self.mrr(begin), self.mrr(end), self.mrr(end + STAYS_ON)
        if before and not after:
            return "left"
        if not before or not later:
            return "none"
        return "grew" if after > before else "shrank" if after < before else "stayed"


def main(source: Path, target: Path) -> None:
    """Write `accounts.csv`, `subscriptions.csv` and `events.csv.xz` of the chosen accounts to `target`."""
    last = crm6.last_moment(source)
    begin = last - timedelta(weeks=WEEKS)
    accounts = known_accounts(source, begin)
    chosen = choose(accounts.values(), begin.date(), last.date())
    target.mkdir(parents=True, exist_ok=True)
    for name, column in (("accounts", "id"), ("subscriptions", "account_id")):
        with (target / f"{name}.csv").open("w", newline="") as file:
            write(file, rows_of(source, name, column, chosen))
    recent = rows_of(source, "events", "account_id", chosen, since=begin.isoformat(" "))
    with lzma.open(target / "events.csv.xz", "wt", preset=9, newline="") as file:
        write(file, recent)
    print(
        f"{len(chosen)} accounts, {sum(accounts[name].events for name in chosen):,} events: {sorted(chosen, key=int)}"
    )


def known_accounts(source: Path, begin: datetime) -> dict[str, Account]:
    """Read what the choice needs to know of every account."""
    accounts: dict[str, Account] = {}
    for row in crm6.subscription_rows(existing(source, "subscriptions")):
        accounts.setdefault(row["account_id"], Account(row["account_id"])).rows.append(row)
    for at, name, person, *_ in islice(csv_rows(existing(source, "events")), 1, None):
        if at > begin.isoformat(" ") and (account := accounts.get(name)):
            account.events += 1
            account.people[(datetime.fromisoformat(at).replace(tzinfo=UTC) - begin) // timedelta(weeks=1)].add(person)
    return accounts


def choose(accounts: Iterable[Account], begin: date, end: date) -> set[str]:
    """Return the ids of the accounts that tell most with few events."""
    small = [account for account in accounts if account.events <= MOST_EVENTS]
    fallen = min((account for account in small if account.mrr(end + STAYS_ON)), key=Account.fall)
    if fallen.fall() >= FALLEN:
        raise SystemExit("No account's usage has fallen: the story needs one")
    room = Counter(WANTED)
    chosen = {fallen.id}
    for account in sorted(small, key=lambda account: (-account.events, account.id)):
        course = account.course(begin, end)
        if account.id not in chosen and room[course] > 0:
            room[course] -= 1
            chosen.add(account.id)
    return chosen


def rows_of(source: Path, name: str, column: str, chosen: set[str], since: str = "") -> Iterator[list[str]]:
    """Yield the header of a file and those of its rows that belong to a chosen account, from a time on."""
    rows = csv_rows(existing(source, name))
    header = next(rows)
    at = header.index(column)
    yield header
    yield from (row for row in rows if row[at] in chosen and (not since or row[0] > since))


def existing(source: Path, name: str) -> Path:
    """Return the path of a file of the data set."""
    path = find(source, crm6.FILES[name])
    if path is None:
        raise SystemExit(f"{source} has no {name}.csv")
    return path


def write(file: IO[str], rows: Iterable[list[str]]) -> None:
    """Write rows as CSV."""
    csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
