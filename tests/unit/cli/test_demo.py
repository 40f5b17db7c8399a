"""The demo: its slice holds the story, its events pass the door, and it prints what the services answer."""

import io
import json
import lzma
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.demo.cast import COMPANIES, FALLEN, LAGGING, LEFT_BY_CHAMPION, Stage, as_history, as_live, cast_events
from cli.demo.letters import letter
from cli.demo.plot import scenes
from cli.demo.slice import Account, choose, known_accounts, main
from cli.demo.waiting import until
from cli.errors import Refused
from cli.importer import crm6
from cli.importer.files import csv_rows
from shared.events.decode import decode_untrusted
from tests.plugins.cli import PlayedService, Request

Run = Callable[..., tuple[int, str, str]]
SLICE = Path(__file__).parents[2] / "data" / "crm6_slice"
NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
STAGE = Stage("w46-", NOW, datetime(2026, 11, 15, 23, 54, tzinfo=UTC))


def drawn(what: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(what)
    return out.getvalue()


def test_the_slice_is_small_and_names_its_licence() -> None:
    assert sum(path.stat().st_size for path in SLICE.iterdir()) < 3 * 1024 * 1024
    assert "Copyright 2020 Carl Gold" in (SLICE / "LICENSE").read_text()
    assert "cli.demo.slice" in (SLICE / "README.md").read_text()


def test_everybody_in_the_slice_has_a_name() -> None:
    rows = csv_rows(SLICE / "accounts.csv")
    next(rows)
    assert {row[0] for row in rows} == set(COMPANIES)


def test_the_usage_of_one_customer_has_really_fallen() -> None:
    last = crm6.last_moment(SLICE)
    accounts = known_accounts(SLICE, last - timedelta(weeks=26))
    falls = {name: account.fall() for name, account in accounts.items() if account.mrr(last.date())}
    assert falls[FALLEN] < 0.65
    assert min(falls, key=falls.__getitem__) == FALLEN
    assert all(fall >= 0.65 for name, fall in falls.items() if name != FALLEN)
    assert {LEFT_BY_CHAMPION, FALLEN, LAGGING} <= {
        name for name in falls if accounts[name].mrr(last.date() + timedelta(8))
    }


def test_the_slice_is_cut_the_same_way_again(tmp_path: Path) -> None:
    main(SLICE, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"accounts.csv", "subscriptions.csv", "events.csv.xz"}
    assert (tmp_path / "subscriptions.csv").read_text() == (SLICE / "subscriptions.csv").read_text()


def paid(number: str, *spans: tuple[str, str, int], events: int = 10) -> Account:
    rows = [{"start_date": start, "end_date": end, "mrr": str(mrr)} for start, end, mrr in spans]
    account = Account(number, events=events, rows=rows)
    account.people = defaultdict(set, {week: {"a", "b", "c"} for week in range(26)})
    return account


def test_the_choice_takes_each_course_and_leaves_the_large_out() -> None:
    always, year = ("2022-01-01", "2025-01-01"), date(2023, 1, 1)
    fallen = paid("f", (*always, 1))
    fallen.people = defaultdict(set, {week: {"a", "b", "c", "d"} for week in range(23)})
    accounts = [
        fallen,
        paid("left", ("2022-01-01", "2023-06-01", 1)),
        paid("grew", ("2022-01-01", "2023-06-01", 1), ("2023-06-01", "2025-01-01", 2)),
        paid("shrank", ("2022-01-01", "2023-06-01", 2), ("2023-06-01", "2025-01-01", 1)),
        paid("large", (*always, 1), events=5000),
        paid("soon over", ("2022-01-01", "2024-01-03", 1)),
        *(paid(f"stayed {n}", (*always, 1), events=n) for n in range(20)),
    ]
    chosen = choose(accounts, year, date(2023, 12, 31))
    assert {"f", "left", "grew", "shrank"} <= chosen
    assert not {"large", "soon over"} & chosen
    assert {name for name in chosen if name.startswith("stayed")} == {f"stayed {n}" for n in range(7, 20)}


def test_without_a_fallen_account_there_is_no_slice() -> None:
    with pytest.raises(SystemExit, match="No account's usage has fallen"):
        choose([paid("a", ("2022-01-01", "2025-01-01", 1))], date(2023, 1, 1), date(2023, 12, 31))


def test_all_events_of_the_story_pass_the_door_and_have_their_own_ids() -> None:
    live = [as_live(event) for scene in scenes(STAGE) for event in scene.events]
    history = [as_history(event) for event in cast_events(STAGE)]
    decoded = [decode_untrusted(raw, received=NOW, backdate=False)[0] for raw in (*history, *live)]
    assert len({event.key for event in decoded}) == len(decoded)
    assert [event.backfill for event in decoded] == [True] * len(history) + [False] * len(live)
    assert all(event.time <= NOW for event in decoded)


def test_the_same_week_is_the_same_performance() -> None:
    later = Stage(STAGE.prefix, NOW + timedelta(hours=5), STAGE.history_ends)
    ids = [[event["id"] for scene in scenes(stage) for event in scene.events] for stage in (STAGE, later)]
    assert ids[0] == ids[1]


def test_waiting_looks_again_and_gives_up_with_the_reason() -> None:
    looks = iter([None, None, "there"])
    assert until(Console(file=io.StringIO()), "it", 5, lambda: next(looks)) == "there"
    with pytest.raises(Refused, match="it did not show up within 0 s"):
        until(Console(file=io.StringIO()), "it", 0, lambda: None)


def test_letters_look_like_what_arrived() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Usage has dropped"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Since*\nMonday"}]},
        {"type": "section", "text": {"type": "mrkdwn", "text": "See <https://x.example|the account> &amp; call"}},
        {"type": "divider"},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Acknowledge"}}]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "<https://y.example>"}]},
    ]
    shown = drawn(letter({"channel": "slack", "to": "U1", "text": "t", "blocks": blocks}))
    for words in (
        "Usage has dropped",
        "Since: Monday",
        "See the account & call",
        "[ Acknowledge ]",
        "https://y.example",
    ):
        assert words in shown
    assert "fallback" in drawn(letter({"channel": "slack", "to": "U1", "text": "fallback", "blocks": []}))
    url = "https://kizuna.example/" + "x" * 100
    shown = drawn(
        letter({"channel": "email", "to": "a@b", "text": f"Hello\n{url}\n", "subject": "Subject", "headers": {}})
    )
    assert "Subject" in shown
    assert "Hello" in shown
    assert "x" * 60 not in shown


class Theatre:
    """Services that take everything and answer what a story leads to; `lost` signals never reach anybody."""

    def __init__(self, played: PlayedService, lost: str = "") -> None:
        self.lost = lost
        self.ids: list[str] = []
        self.live: set[str] = set()
        number = {"numerator": "1.00", "denominator": "2.00", "value": "0.5"}
        retention = {"from": "a", "to": "b", "currency": "USD", "nrr": number, "grr": number, "logo_retention": number}
        account = {"as_of": "now", "definition": "standard-1", "score": 60.0, "band": "watch", "coverage": 1,
                   "components": [], "gates": []}  # fmt: skip
        hero = f"w46-{LEFT_BY_CHAMPION}"
        item = {"name": "Aozora Foods", "trend": "flat", "owner": "misaki", "tier": "high", "signals": [],
                "biggest_lever": None, **account}  # fmt: skip
        played.routes |= {
            "POST /v1/events": self.take,
            "GET /v1/status": (200, {"lag": 0, "due": 0, "outbox": 0, "absorbed_through": "2100-01-01T00:00:00Z"}),
            "GET /v1/alerts": self.alerts,
            "GET /messages": self.messages,
            "GET /v1/portfolio": (200, {"items": [{"account_id": hero, **item}, {"account_id": "other", **item}]}),
            f"GET /v1/accounts/{hero}/health": (200, {"account_id": hero, **account}),
            "GET /v1/retention": (200, retention),
        }

    def take(self, request: Request) -> tuple[int, Any]:
        events = json.loads(request.body)
        self.ids += [event["id"] for event in events]
        self.live |= {event["subject"] for event in events if not event.get("backfill")}
        return 200, {"accepted": len(events), "parked": 0, "rejected": []}

    def alerts(self, request: Request) -> tuple[int, Any]:
        signals = {
            f"w46-{LEFT_BY_CHAMPION}": "champion_left",
            f"w46-{FALLEN}": "usage_drop",
            f"w46-{LAGGING}": "low_roi",
        }
        account = request.query["account"]
        items = [
            {"id": "1", "account_id": account, "signal": signals[account], "severity": "high", "state": "open",
             "historical": False, "since": "now", "owner": "maya", "verdict": None,
             "deliveries": [{"channel": "slack", "state": "pending" if signals[account] == self.lost else "sent"}]}
        ] if account in self.live else []  # fmt: skip
        return 200, {"items": items, "next_cursor": None}

    def messages(self, request: Request) -> tuple[int, Any]:
        account = request.query["account"]
        there = [{"channel": "slack", "to": "U1", "text": f"about {account}"}] if account in self.live else []
        return 200, {"items": there}


@pytest.fixture(scope="module")
def short_history(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A slice with the last events only: here nobody judges usage."""
    folder = tmp_path_factory.mktemp("slice")
    for name in ("accounts.csv", "subscriptions.csv"):
        (folder / name).write_bytes((SLICE / name).read_bytes())
    with lzma.open(SLICE / "events.csv.xz", "rt") as whole:
        lines = whole.readlines()
    (folder / "events.csv").write_text(lines[0] + "".join(lines[-200:]))
    return str(folder)


@pytest.fixture
def this_week(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.commands.story.now", lambda: NOW)


def test_the_demo_plays_and_a_second_time_posts_the_same(
    kizuna: Run, played: PlayedService, this_week: None, short_history: str
) -> None:
    theatre = Theatre(played)
    code, out, _ = kizuna("demo", "--slice", short_history)
    assert code == 0
    for words in (
        "Sunday 15 November 2026",
        "champion_left",
        "usage_drop",
        "low_roi",
        f"about w46-{FALLEN}",
        "50.00 %",
    ):
        assert words in out
    assert "Aozora Foods" in out
    assert "other" not in out
    first, theatre.ids = theatre.ids, []
    assert kizuna("demo", "--slice", short_history)[0] == 0
    assert sorted(theatre.ids) == sorted(first)  # requests overlap, so their order is free


def test_a_message_that_does_not_come_ends_the_demo_with_the_reason(
    kizuna: Run, played: PlayedService, this_week: None, short_history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.demo.performance.DELIVERY_SECONDS", 0.3)
    Theatre(played, lost="usage_drop")
    code, out, err = kizuna("demo", "--slice", short_history)
    assert code == 1
    assert "champion_left" in out
    assert "the usage_drop message did not show up" in err
