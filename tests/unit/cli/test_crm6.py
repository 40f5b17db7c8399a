"""Rows of a fightchurn simulation become events: each row its own, MRR exact, dates moved by whole weeks."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cli.errors import Misused
from cli.importer import crm6
from cli.importer.crm6 import Options
from cli.importer.feed import Identity, Numbered
from shared.events import SubscriptionSnapshot
from shared.events.decode import decode_untrusted
from shared.mrr import snapshot_mrr

SLICE = Path(__file__).parents[2] / "data" / "crm6_slice"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUBSCRIPTIONS = "account_id,product,start_date,end_date,mrr,quantity,units,bill_period_months,discount"
EVENTS = "event_time,account_id,user_id,event_type_name,event_value"


def written(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def decoded(numbered: Numbered) -> dict[str, Any]:
    return msgspec.json.decode(numbered.event, type=dict[str, Any])


def slice_rows() -> list[dict[str, str]]:
    with (SLICE / "subscriptions.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_event_of_the_slice_passes_the_door() -> None:
    options = Options("p-", crm6.weeks_until(NOW, SLICE))
    kinds = dict.fromkeys(("accounts", "subscriptions", "events"), 0)
    for feed in crm6.feeds(SLICE, options):
        for numbered in feed.events(1):
            event, _ = decode_untrusted(numbered.event, received=NOW, backdate=False)
            assert event.backfill
            assert event.source == "crm6"
            assert event.subject.startswith("p-")
            kinds[feed.name] += 1
    assert kinds["accounts"] == 28
    assert kinds["subscriptions"] > len(slice_rows())
    assert kinds["events"] > 70_000


def test_snapshots_are_worth_exactly_the_rows() -> None:
    for row in slice_rows():
        snapshot = msgspec.convert(crm6.snapshot(row, Options()), SubscriptionSnapshot)
        assert snapshot_mrr(snapshot) == Fraction(row["mrr"])


@given(
    mrr=st.decimals(min_value="0.01", max_value="1000000", places=2),
    seats=st.integers(0, 5000),
    units=st.sampled_from(["users", "search"]),
    months=st.sampled_from([1, 3, 6, 12]),
)
def test_a_snapshot_is_worth_exactly_its_row_however_odd(mrr: Decimal, seats: int, units: str, months: int) -> None:
    row = dict(zip(SUBSCRIPTIONS.split(","), ["1", "plan", "2022-01-01", "2022-02-01"], strict=False))
    row |= {"mrr": str(mrr), "quantity": str(seats), "units": units, "bill_period_months": str(months), "discount": "0"}
    data = crm6.snapshot(row, Options())
    assert snapshot_mrr(msgspec.convert(data, SubscriptionSnapshot)) == Fraction(str(mrr))
    assert data["raw"].get("seats") == (seats if units == "users" else None)


def test_a_plan_has_its_seats_as_quantity_and_an_add_on_has_one() -> None:
    plan = {"mrr": "2000", "quantity": "100", "units": "users", "bill_period_months": "12"}
    assert crm6.priced(plan) == (100, Decimal(240))
    assert crm6.priced(plan | {"units": "search", "quantity": "5000"}) == (1, Decimal(24000))
    assert crm6.priced(plan | {"mrr": "100", "quantity": "3", "bill_period_months": "1"}) == (1, Decimal(100))


def test_only_a_chain_that_is_not_continued_ends(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "subscription.csv",
        SUBSCRIPTIONS,
        "1,plan,2022-02-01,2022-03-01,120,10,users,1,0",
        "1,plan,2022-01-01,2022-02-01,100,10,users,1,0",
        "1,plan,2022-03-02,2022-04-02,100,10,users,1,0",
        "1,extra,2022-03-01,2022-04-01,10,1,users,1,0",
    )
    said = [decoded(each) for each in crm6.subscription_events(path, Options())]
    ends = {(one["data"]["subscription_id"], one["time"]) for one in said if one["data"]["status"] == "ended"}
    assert ends == {
        ("1/plan", "2022-03-01T00:00:00Z"),
        ("1/plan", "2022-04-02T00:00:00Z"),
        ("1/extra", "2022-04-01T00:00:00Z"),
    }
    assert len(said) == 4 + len(ends)


def test_twins_are_two_events_and_a_repetition_is_the_same(tmp_path: Path) -> None:
    twin = "2023-01-02 10:00:00,7,3,win_opportunity,5439.95"
    path = written(tmp_path, "events.csv", EVENTS, twin, twin)
    first, second = crm6.usage_events(path, Options())
    assert decoded(first)["id"] != decoded(second)["id"]
    assert [first, second] == list(crm6.usage_events(path, Options()))
    assert [second] == list(crm6.usage_events(path, Options(), 2))
    assert decoded(first)["data"] == {"event": "win_opportunity", "person_id": "3", "properties": {"value": 5439.95}}
    assert decoded(first)["time"] == "2023-01-02T10:00:00Z"


@given(st.lists(st.tuples(st.integers(1, 10**7), st.text(max_size=30)), unique=True, max_size=50))
def test_ids_differ_wherever_row_or_number_differ(rows: list[tuple[int, str]]) -> None:
    encodable = [(number, row) for number, row in rows if row.isprintable()]
    identity = Identity("events", "", 0)
    assert len({identity.of(number, row) for number, row in encodable}) == len(encodable)


def test_prefix_and_shift_make_other_events_of_other_accounts(tmp_path: Path) -> None:
    path = written(tmp_path, "events.csv", EVENTS, "2023-01-02 10:00:00,7,3,search,")
    made = [decoded(next(crm6.usage_events(path, options))) for options in (Options(), Options("x-"), Options("", 3))]
    assert len({event["id"] for event in made}) == 3
    assert [event["subject"] for event in made] == ["7", "x-7", "7"]


MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(MOMENTS, MOMENTS)
def test_the_shift_is_whole_weeks_and_ends_within_the_last_seven_days(last: datetime, now: datetime) -> None:
    assume(2 < now.year < 9998)
    weeks = crm6.whole_weeks(last, now)
    assert now - timedelta(days=7) < last + timedelta(weeks=weeks) <= now


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2200, 1, 1)), st.integers(-500, 500))
def test_a_moved_day_keeps_its_weekday(day: date, weeks: int) -> None:
    assert Options(weeks=weeks).day(day.isoformat()).weekday() == day.weekday()


def test_accounts_are_known_from_their_first_subscription_on(tmp_path: Path) -> None:
    written(tmp_path, "account.csv", "id,channel,date_of_birth,country", "1,web,1990-01-01,NY", "2,,1990-01-01,MN")
    written(tmp_path, "subscription.csv", SUBSCRIPTIONS, "1,plan,2022-02-01,2022-03-01,120,10,users,1,0")
    feeds = crm6.feeds(tmp_path, Options(weeks=1))
    assert [feed.name for feed in feeds] == ["accounts", "subscriptions"]
    first, second = (decoded(each) for each in feeds[0].events(1))
    assert first["time"] == "2022-02-08T00:00:00Z"
    assert first["data"] == {"attributes": {"channel": "web", "country": "NY"}}
    assert second["data"] == {"attributes": {"country": "MN"}}


def test_compressed_files_read_the_same(tmp_path: Path) -> None:
    plain = (SLICE / "subscriptions.csv").read_bytes()
    packed = tmp_path / "subscriptions.csv.gz"
    packed.write_bytes(gzip.compress(plain))
    assert list(crm6.subscription_rows(packed)) == slice_rows()


@pytest.mark.parametrize(
    ("lines", "remedy"),
    [
        (["event_time,account_id"], "has no column user_id"),
        ([EVENTS, "2023-01-02 10:00:00,7"], "row 1 has 2 fields"),
    ],
)
def test_files_of_another_shape_are_named(tmp_path: Path, lines: list[str], remedy: str) -> None:
    path = written(tmp_path, "events.csv", *lines)
    with pytest.raises(Misused, match=remedy):
        list(crm6.usage_events(path, Options()))


def test_a_folder_without_files_and_an_unknown_part_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="holds none of"):
        crm6.feeds(tmp_path, Options())
    with pytest.raises(Misused, match="--only takes"):
        crm6.feeds(SLICE, Options(), ["event"])
    with pytest.raises(Misused, match="neither events nor subscriptions"):
        crm6.weeks_until(NOW, tmp_path)
