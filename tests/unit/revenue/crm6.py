"""Reads the crm6 oracle: its subscription rows as the snapshots that an import makes of them, and what is expected."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from services.revenue.ledger import ledger
from shared.events import Event, SubscriptionItem, SubscriptionSnapshot
from tests.unit.revenue.building import known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from services.revenue.facts import Fact
    from services.revenue.movement import Movement

FOLDER = Path(__file__).parents[2] / "data" / "crm6_oracle"
LEARNED = datetime(2024, 1, 1, tzinfo=UTC)
ENDS = date(2024, 1, 1)
"""From here on the oracle is not to be analysed."""
FOREVER = date.max


def table(name: str) -> list[dict[str, str]]:
    """Read one of the oracle's files, packed or not."""
    raw = (FOLDER / name).read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
    return list(csv.DictReader(io.StringIO(text)))


def events() -> Iterator[Event]:
    """Yield a snapshot for each row, and an `ended` one where no row of the same account and product follows."""
    chain_of = itemgetter("account_id", "product")
    rows = sorted(table("subscription.csv.gz"), key=itemgetter("account_id", "product", "start_date"))
    for _, chain in groupby(rows, chain_of):
        listed = list(chain)
        starts = {row["start_date"] for row in listed}
        for row in listed:
            yield _event(row, "active", row["start_date"])
            if row["end_date"] not in starts:
                yield _event(row, "ended", row["end_date"])


@cache
def ledgers(ends: date = ENDS) -> Mapping[str, list[Movement]]:
    """Return every account's ledger up to the end of the oracle, or to another day."""
    found: dict[str, list[Fact]] = {}
    for event in events():
        found.setdefault(event.subject, []).append(known(event))
    return {account: [row for row in ledger(facts) if row.effective_on < ends] for account, facts in found.items()}


def months(rows: Iterable[Movement]) -> dict[date, list[Movement]]:
    """Sort movements by the first day of their month."""
    found: dict[date, list[Movement]] = {}
    for row in rows:
        found.setdefault(row.effective_on.replace(day=1), []).append(row)
    return found


def _event(row: Mapping[str, str], status: str, day: str) -> Event:
    item = SubscriptionItem(
        item_id=row["product"],
        product_id=row["product"],
        quantity=Decimal(1),
        unit_amount=Decimal(row["mrr"]) * int(row["bill_period_months"]),
        interval="month",
        interval_count=int(row["bill_period_months"]),
    )
    snapshot = SubscriptionSnapshot(
        subscription_id=f"{row['account_id']}/{row['product']}",
        status="ended" if status == "ended" else "active",
        currency="USD",
        items=[item],
        term_start=date.fromisoformat(row["start_date"]),
        term_end=date.fromisoformat(row["end_date"]),
    )
    name = f"{snapshot.subscription_id}/{status}/{day}"
    at = datetime.combine(date.fromisoformat(day), time(), UTC)
    return Event(name, "crm6", "kizuna.subscription.snapshot", row["account_id"], at, LEARNED, snapshot, backfill=True)
