"""Maps the three files of a fightchurn simulation ("crm6") to events: accounts, subscriptions, usage.

A row of `subscriptions` says what was paid for one product from `start_date` to `end_date` ([start, end), days):
one subscription per account and product, one snapshot a row, and an `ended` one where no touching row follows.
`mrr` is a month's amount, net of discount, so that a period's price is mrr x bill_period_months.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cli.errors import Misused
from cli.importer.feed import Feed, Identity, Numbered, quoted
from cli.importer.files import column_indices, csv_rows, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

FILES: Final = {
    "accounts": ("accounts", "account"),
    "subscriptions": ("subscriptions", "subscription"),
    "events": ("events", "event"),
}
SOURCE: Final = "crm6"
SNAPSHOT: Final = "kizuna.subscription.snapshot"
SEATS: Final = "users"
SUBSCRIPTION_COLUMNS: Final = (
    "account_id", "product", "start_date", "end_date", "mrr", "quantity", "units", "bill_period_months",
)  # fmt: skip
UNPRICED: Final = ("quantity", "units", "discount")
"""What a row says beyond price and dates; kept in `raw`, where a plan's seats stand as a number besides."""
JSON_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,9})?")
FINEST_AMOUNT: Final = -6
BEFORE_ANY_CONTRACT: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """How rows are read: a prefix for account ids, by how many weeks all dates move, the vendor's time zone."""

    prefix: str = ""
    weeks: int = 0
    zone: tzinfo = UTC

    def midnight(self, day: str) -> datetime:
        """Return when a day of the file, moved, begins in the vendor's time zone; in UTC."""
        return datetime.combine(self.day(day), time(), self.zone).astimezone(UTC)

    def day(self, day: str) -> date:
        """Return a day of the file, moved."""
        return date.fromisoformat(day) + timedelta(weeks=self.weeks)


def feeds(folder: Path, options: Options, only: Iterable[str] = ()) -> list[Feed]:
    """Return the feeds of a folder in the order in which they are sent; `only` names the ones that are wanted."""
    wanted = set(only) or set(FILES)
    if unknown := wanted - set(FILES):
        raise Misused(f"--only takes {', '.join(FILES)}; not {', '.join(sorted(unknown))}")
    paths = {name: find(folder, stems) for name, stems in FILES.items()}
    made = [
        Feed(name, path, mapped(name, path, paths, options))
        for name, path in paths.items()
        if path is not None and name in wanted
    ]
    if not made:
        raise Misused(f"{folder} holds none of {', '.join(f'{name}.csv[.gz|.xz]' for name in FILES if name in wanted)}")
    return made


def mapped(
    name: str, path: Path, paths: Mapping[str, Path | None], options: Options
) -> Callable[[int], Iterator[Numbered]]:
    """Return the mapping of one file, ready to be told the first row."""
    if name == "accounts":
        return partial(account_events, path, paths["subscriptions"], options)
    return partial(subscription_events if name == "subscriptions" else usage_events, path, options)


def account_events(path: Path, subscriptions: Path | None, options: Options, first: int = 1) -> Iterator[Numbered]:
    """Yield a profile per account, effective when its first subscription begins, so that no history precedes it."""
    starts = first_starts(subscriptions) if subscriptions else {}
    rows = csv_rows(path)
    header = next(rows)
    (account_at,) = column_indices(path, header, ["id"])
    identity = Identity("accounts", options.prefix, options.weeks)
    for number, row in islice(enumerate(rows, 1), first - 1, None):
        facts = dict(zip(header, row, strict=True))
        began = starts.get(row[account_at])
        attributes = {name: facts[name] for name in ("channel", "country") if facts.get(name)}
        yield Numbered(number, envelope(
            "kizuna.account.profiled", identity.of(number, ",".join(row)), options.prefix + row[account_at],
            options.midnight(began) if began else BEFORE_ANY_CONTRACT,
            ({"name": facts["name"]} if facts.get("name") else {}) | {"attributes": attributes},
        ))  # fmt: skip


def subscription_events(path: Path, options: Options, first: int = 1) -> Iterator[Numbered]:
    """Yield a snapshot per row at its start, and an `ended` one at its end unless a touching row follows."""
    begun = {(row["account_id"], row["product"], row["start_date"]) for row in subscription_rows(path)}
    identity = Identity("subscriptions", options.prefix, options.weeks)
    for number, row in islice(enumerate(subscription_rows(path), 1), first - 1, None):
        text = ",".join(row.values())
        data = snapshot(row, options)
        account = options.prefix + row["account_id"]
        yield Numbered(number, envelope(
            SNAPSHOT, identity.of(number, text), account, options.midnight(row["start_date"]), data,
        ))  # fmt: skip
        if (row["account_id"], row["product"], row["end_date"]) not in begun:
            yield Numbered(number, envelope(
                SNAPSHOT, identity.of(number, f"{text},ended"), account, options.midnight(row["end_date"]),
                data | {"status": "ended"},
            ))  # fmt: skip


def usage_events(path: Path, options: Options, first: int = 1) -> Iterator[Numbered]:
    """Yield a usage event per row. Written as text, because there are millions of them and every part is known."""
    rows = csv_rows(path)
    names = ["event_time", "account_id", "user_id", "event_type_name", "event_value"]
    when, account, person, kind, value = column_indices(path, next(rows), names)
    identity = Identity("events", options.prefix, options.weeks)
    moved = cache(lambda day: options.day(day).isoformat())
    for number, row in islice(enumerate(rows, 1), first - 1, None):
        amount = f',"properties":{{"value":{number_or_text(row[value])}}}' if row[value] else ""
        yield Numbered(number, (
            f'{{"specversion":"1.0","id":"{identity.of(number, ",".join(row))}","source":"{SOURCE}",'
            f'"type":"kizuna.usage.recorded","subject":{quoted(options.prefix + row[account])},'
            f'"time":"{moved(row[when][:10])}T{clock(row[when][11:])}Z","backfill":true,'
            f'"data":{{"event":{quoted(row[kind])},"person_id":{quoted(row[person])}{amount}}}}}'
        ).encode())  # fmt: skip


def weeks_until(now: datetime, folder: Path) -> int:
    """Return by how many whole weeks the files can move without their last event lying after `now`."""
    return whole_weeks(last_moment(folder), now)


def whole_weeks(last: datetime, now: datetime) -> int:
    """Return the largest number of whole weeks by which `last` can move without passing `now`; may be negative."""
    return (now - last) // timedelta(weeks=1)


def last_moment(folder: Path) -> datetime:
    """Return the time of the last usage event, or the last start of a subscription where there are no events."""
    if path := find(folder, FILES["events"]):
        rows = csv_rows(path)
        (at,) = column_indices(path, next(rows), ["event_time"])
        latest = max((row[at] for row in rows), default="")
    elif path := find(folder, FILES["subscriptions"]):
        latest = max((row["start_date"] for row in subscription_rows(path)), default="")
    else:
        raise Misused(f"{folder} has neither events nor subscriptions to move to today")
    return datetime.fromisoformat(latest).replace(tzinfo=UTC) if latest else BEFORE_ANY_CONTRACT


def snapshot(row: dict[str, str], options: Options) -> dict[str, Any]:
    """Return the data of the snapshot that a subscription row stands for; its MRR equals the row's exactly."""
    quantity, unit_amount = priced(row)
    seats = {"seats": int(row["quantity"])} if row["units"] == SEATS else {}
    return {
        "subscription_id": f"{options.prefix}{row['account_id']}/{row['product']}",
        "status": "active",
        "currency": "USD",
        "items": [
            {
                "item_id": row["product"],
                "product_id": row["product"],
                "quantity": quantity,
                "unit_amount": f"{unit_amount:f}",
                "interval": "month",
                "interval_count": int(row["bill_period_months"]),
            },
        ],
        "term_start": options.day(row["start_date"]).isoformat(),
        "term_end": options.day(row["end_date"]).isoformat(),
        "raw": {**{name: row[name] for name in UNPRICED if name in row}, **seats},
    }


def priced(row: dict[str, str]) -> tuple[int, Decimal]:
    """Return quantity and price of one unit for a whole period.

    A plan's quantity is its seats where the price of a seat comes out even. An add-on's is one: its 5,000 are an
    allowance and no seats. What the file says stands in `raw`.
    """
    price = Decimal(row["mrr"]) * int(row["bill_period_months"])
    seats = int(row["quantity"]) if row["units"] == SEATS else 1
    each = (price / seats).normalize() if seats else price
    exponent = each.as_tuple().exponent
    even = isinstance(exponent, int) and exponent >= FINEST_AMOUNT and each * seats == price
    return (seats, each) if even else (1, price)


def subscription_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a subscription file by column; `Misused` when a column is missing."""
    rows = csv_rows(path)
    header = next(rows)
    column_indices(path, header, SUBSCRIPTION_COLUMNS)
    yield from (dict(zip(header, row, strict=True)) for row in rows)


def first_starts(path: Path) -> dict[str, str]:
    """Return the day on which each account's first subscription begins."""
    starts: dict[str, str] = {}
    for row in subscription_rows(path):
        account, start = row["account_id"], row["start_date"]
        starts[account] = min(start, starts.get(account, start))
    return starts


def envelope(kind: str, event_id: str, account: str, at: datetime, data: dict[str, Any]) -> bytes:
    """Return an event of marked history as CloudEvents JSON."""
    return msgspec.json.encode({
        "specversion": "1.0", "id": event_id, "source": SOURCE, "type": kind, "subject": account,
        "time": at, "backfill": True, "data": data,
    })  # fmt: skip


@cache
def clock(text: str) -> str:
    """Return a time of day as it stands in an event, checked; a row without one happened at midnight."""
    return time.fromisoformat(text).isoformat() if text else "00:00:00"


def number_or_text(text: str) -> str:
    """Write a value as the JSON number it is, to the last digit, else as a string."""
    return text if JSON_NUMBER.fullmatch(text) else quoted(text)
