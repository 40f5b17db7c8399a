"""The importer: what is sent, in what pieces, and that an interruption or a refusal costs nothing but time."""

import asyncio
import io
import itertools
import json
import lzma
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.commands.imports import import_csv
from cli.errors import Misused, NotReachable, Refused
from cli.importer import absorbed, crm6, general
from cli.importer.absorbed import Stillness, to_do
from cli.importer.batches import Batch, Limits, batches
from cli.importer.checkpoint import Checkpoint, place
from cli.importer.feed import Feed, Numbered
from cli.importer.files import csv_rows, json_rows, row_count
from cli.importer.general import Columns, Target
from cli.importer.meter import Meter
from cli.importer.run import Journal, run_import
from cli.importer.sender import LONGEST_PAUSE, Door, Tally, deliver, pause
from shared.events import decode_untrusted
from tests.plugins.cli import Answer, PlayedService, Request

Run = Callable[..., tuple[int, str, str]]
EVENTS = "event_time,account_id,user_id,event_type_name,event_value"


def taking(request: Request) -> tuple[int, Any]:
    return 200, {"accepted": len(json.loads(request.body)), "parked": 0, "rejected": []}


def counting(rows: int) -> Callable[[int], Iterator[Numbered]]:
    return lambda first: (Numbered(row, json.dumps({"id": str(row)}).encode()) for row in range(first, rows + 1))


def sent(played: PlayedService) -> list[str]:
    return ids(request for request in played.requests if request.method == "POST")


def ids(requests: Iterable[Request]) -> list[str]:
    return [event["id"] for request in requests for event in json.loads(request.body)]


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    path = tmp_path / "numbers.csv"
    path.write_text("n\n" * 10_001)
    return Feed("numbers", path, counting(10_000))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(Checkpoint(), tmp_path / "import" / "one.json")


def quiet() -> Meter:
    return Meter(Console(file=io.StringIO()))


@given(st.lists(st.binary(max_size=60), max_size=60), st.integers(1, 7), st.integers(80, 200))
def test_batches_keep_order_and_limits(events: list[bytes], most: int, size: int) -> None:
    made = list(batches((Numbered(row, event) for row, event in enumerate(events)), Limits(most, size)))
    assert [event for batch in made for event in batch.events] == events
    assert [row for batch in made for row in batch.rows] == list(range(len(events)))
    assert all(0 < len(batch.events) <= most and len(batch.body) <= size for batch in made)


def test_an_event_beyond_a_request_is_named() -> None:
    with pytest.raises(Misused, match="row 7"):
        list(batches([Numbered(7, b"x" * 100)], Limits(10, 50)))


def test_an_import_sends_every_row_and_forgets_its_checkpoint(
    played: PlayedService, feed: Feed, journal: Journal
) -> None:
    played.routes["POST /v1/events"] = taking
    with quiet() as meter:
        tally = run_import([feed], Door(played.url, "kz"), journal, meter)
    assert tally.accepted == 10_000
    assert sorted(map(int, sent(played))) == list(range(1, 10_001))
    assert not journal.path.exists()


@pytest.mark.parametrize("until", [0, 1, 2, 3])
def test_a_resumed_import_sends_every_row_at_least_once(
    played: PlayedService, feed: Feed, journal: Journal, until: int
) -> None:
    calls = count()
    played.routes["POST /v1/events"] = lambda request: (
        taking(request) if next(calls) < until else (400, {"code": "bad_request", "message": "not today"})
    )
    with quiet() as meter, pytest.raises(Refused, match="not today"):
        run_import([feed], Door(played.url, "kz", in_flight=1), journal, meter)
    known = Checkpoint.read(journal.path)
    assert known is not None
    assert known.rows.get("numbers", 0) == until * 2500
    played.routes["POST /v1/events"] = taking
    with quiet() as meter:
        run_import([feed], Door(played.url, "kz"), Journal(known, journal.path), meter)
    assert {int(row) for row in sent(played)} == set(range(1, 10_001))


def test_the_checkpoint_is_behind_the_oldest_request_in_flight(played: PlayedService) -> None:
    calls, seen = count(), list[int]()

    def answer(request: Request) -> Answer:
        return (503, {}, {"retry-after": "0"}) if next(calls) == 0 else taking(request)

    played.routes["POST /v1/events"] = answer
    work = batches(counting(100)(1), Limits(events=10))
    asyncio.run(deliver(Door(played.url, "kz"), work, lambda batch, _: seen.extend(batch.rows)))
    assert seen == list(range(1, 101))
    assert len(sent(played)) == 110


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_full_or_restarting_ingest_is_waited_for(played: PlayedService, status: int) -> None:
    answers = iter([(status, {"code": "x", "message": "x"}), (status, b"<html>")])
    played.routes["POST /v1/events"] = lambda request: next(answers, None) or taking(request)
    tally = Tally()
    asyncio.run(deliver(Door(played.url, "kz"), batches(counting(5)(1), Limits()), tally.add))
    assert tally.accepted == 5


def test_an_ingest_that_stays_away_is_given_up_with_a_remedy() -> None:
    door = Door("http://127.0.0.1:1", "kz", patience=0.05)
    with pytest.raises(NotReachable, match="goes on where it stopped"):
        asyncio.run(deliver(door, batches(counting(5)(1), Limits()), lambda *_: None))


@given(st.integers(0, 10_000), st.sampled_from([None, "3", "0", "Wed, 21 Oct 2026 07:28:00 GMT"]))
def test_pauses_obey_the_service_and_stay_bounded(attempt: int, asked: str | None) -> None:
    response = None if asked is None else httpx.Response(503, headers={"retry-after": asked})
    seconds = pause(attempt, response)
    assert 0 < seconds <= LONGEST_PAUSE
    assert asked != "3" or seconds == 3


def test_a_tally_counts_all_refusals_and_keeps_the_first() -> None:
    tally = Tally()
    refused = [{"index": n, "id": str(n), "code": "nul", "message": "m"} for n in range(150)]
    rows = tuple(range(1000, 1150))
    tally.add(Batch(rows, (b"{}",) * 150), {"accepted": 0, "parked": 2, "rejected": refused})
    said = tally.document()
    assert (said["rejected"], said["parked"], said["rejected_by_code"]) == (150, 2, {"nul": 150})
    assert [one.row for one in said["rejections"]] == list(range(1000, 1100))


def test_a_checkpoint_survives_and_a_broken_one_is_no_obstacle(tmp_path: Path) -> None:
    path = place(tmp_path, "dir", "options")
    assert path != place(tmp_path, "dir", "others")
    assert Checkpoint.read(path) is None
    Checkpoint(3, {"events": 9}).write(path)
    assert Checkpoint.read(path) == Checkpoint(3, {"events": 9})
    path.write_text("{")
    assert Checkpoint.read(path) is None


def test_rows_are_read_and_counted_however_packed(tmp_path: Path) -> None:
    text = 'a,b\n1,"x,\ny"\n2,z\n'
    for name, content in (("r.csv", text.encode()), ("r.csv.xz", lzma.compress(text.encode()))):
        path = tmp_path / name
        path.write_bytes(content)
        assert list(csv_rows(path)) == [["a", "b"], ["1", "x,\ny"], ["2", "z"]]
        assert row_count(path) == 4
    lines = tmp_path / "r.jsonl"
    lines.write_text('{"a": 1}\n\n[2]\n')
    with pytest.raises(Misused, match=r"r\.jsonl line 3"):
        list(json_rows(lines))


def test_a_value_that_cannot_be_read_names_its_row(tmp_path: Path, journal: Journal, played: PlayedService) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"{EVENTS}\n2023-01-02 10:00:00,7,3,search,\nyesterday,7,3,search,\n")
    played.routes["POST /v1/events"] = taking
    feeds = crm6.feeds(tmp_path, crm6.Options())
    with quiet() as meter, pytest.raises(Misused, match="behind row 1"):
        run_import(feeds, Door(played.url, "kz"), journal, meter)


def test_any_table_becomes_events(tmp_path: Path) -> None:
    path = tmp_path / "nps.csv"
    path.write_text("company,at,points,mail\nacme,2026-01-02T03:04:05,9,\nb,,3,x@y.example\n")
    columns = Columns("company", "at", general.parse_fields(["score:=points", "person.email=mail", "survey=mail"]))
    made = [
        json.loads(one.event)
        for one in general.feed(path, columns, Target("kizuna.survey.responded", "crm", "p-")).events(1)
    ]
    assert [event["subject"] for event in made] == ["p-acme", "p-b"]
    assert made[0]["time"] == "2026-01-02T03:04:05Z"
    assert "time" not in made[1]
    assert made[0]["data"] == {"score": 9}
    assert made[1]["data"] == {"score": 3, "person": {"email": "x@y.example"}, "survey": "x@y.example"}
    assert all(event["backfill"] and event["source"] == "crm" for event in made)
    assert made[0]["id"] != made[1]["id"]


def test_the_example_of_the_help_is_taken(tmp_path: Path) -> None:
    example = dict(itertools.pairwise((import_csv.__doc__ or "").partition("Example: ")[2].split()))
    path = tmp_path / example["csv"]
    path.write_text("org,at,number\nacme,2026-01-02T03:04:05Z,T-7\n")
    columns = Columns(example["--account"], example["--time"], general.parse_fields([example["--field"]]))
    (one,) = general.feed(path, columns, Target(example["--type"], "s")).events(1)
    event, _ = decode_untrusted(one.event, received=datetime(2026, 1, 3, tzinfo=UTC), backdate=False)
    assert event.subject == "acme"


def test_json_lines_keep_their_values(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"company": 7, "roles": ["champion"], "none": null}\n')
    columns = Columns("company", None, general.parse_fields(["roles=roles", "none=none"]))
    (one,) = general.feed(path, columns, Target("t", "s")).events(1)
    event = json.loads(one.event)
    assert (event["subject"], event["data"]) == ("7", {"roles": ["champion"]})


@pytest.mark.parametrize("pair", ["event", "=x", "event=", ":=x"])
def test_a_field_without_a_column_is_wrong_usage(pair: str) -> None:
    with pytest.raises(Misused, match="FIELD=COLUMN"):
        general.parse_fields([pair])


def test_a_row_without_an_account_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"company": "x"}\n{"other": 1}\n')
    with pytest.raises(Misused, match="row 2 has no company"):
        list(general.feed(path, Columns("company"), Target("t", "s")).events(1))


def test_the_command_imports_a_file_and_reports_refusals(kizuna: Run, played: PlayedService, tmp_path: Path) -> None:
    (tmp_path / "logins.csv").write_text("who,what\nacme,login\nacme,logout\n")
    refused = {"index": 1, "id": "x", "code": "nul", "message": "bad"}
    played.routes["POST /v1/events"] = (200, {"accepted": 1, "parked": 0, "rejected": [refused]})
    given = ("logins.csv", "--type", "kizuna.usage.recorded", "--account", "who", "--field", "event=what", "--no-wait")
    code, out, err = kizuna("import", "csv", *given, "--json")
    assert code == 1
    assert json.loads(out)["rejections"][0] == {"row": 2, "id": "x", "code": "nul", "message": "bad"}
    assert "2 of 2 rows" in err
    assert not list((tmp_path / ".run" / "import").iterdir())


def test_the_command_goes_on_where_it_was_stopped(kizuna: Run, played: PlayedService, tmp_path: Path) -> None:
    rows = "".join(f"2023-01-02 10:00:00,7,{n},search,\n" for n in range(6000))
    (tmp_path / "events.csv").write_text(f"{EVENTS}\n{rows}")
    taken, kept = threading.Event(), list[Request]()

    def first_rows_alone(request: Request) -> tuple[int, Any]:
        """Several are under way: the others are refused when the answer to the first is on its way."""
        if b'"person_id":"0"' in request.body:
            kept.append(request)
            taken.set()
            return taking(request)
        taken.wait(10)
        time.sleep(1)
        return 401, {"code": "unauthorized", "message": "no"}

    played.routes["POST /v1/events"] = first_rows_alone
    given = ("import", "crm6", str(tmp_path), "--until-today", "--no-wait", "--json")
    assert kizuna(*given)[0] == 1
    before = len(sent(played))
    played.routes["POST /v1/events"] = taking
    code, out, err = kizuna(*given)
    assert (code, json.loads(out)["accepted"]) == (0, 3501)
    assert "Going on where the last run stopped: events row 2,500" in err
    assert json.loads(out)["weeks"] > 0
    assert len(set(sent(played)[before:]) | set(ids(kept))) == 6000
    assert json.loads(kizuna(*given)[1])["accepted"] == 6000


def test_the_wait_ends_when_all_is_absorbed(kizuna: Run, played: PlayedService, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(f"{EVENTS}\n2023-01-02 10:00:00,7,1,search,\n")
    left = iter([5, 4, 3])
    played.routes["POST /v1/events"] = taking
    played.routes["GET /v1/status"] = lambda _: (
        200,
        {"lag": next(left, 0), "due": 0, "outbox": 0, "absorbed_through": "2100-01-01T00:00:00Z"},
    )
    assert kizuna("import", "crm6", str(tmp_path))[0] == 0
    assert next(left, None) is None


def test_standing_still_is_told_from_moving() -> None:
    stillness = Stillness(0)
    assert stillness.look({"health": 9}, 10) == 0
    assert stillness.look({"health": 9}, 130) == 120
    assert stillness.look({"health": 0}, 131) == 0
    assert absorbed.in_words({"health": 0}) == "nothing"


def test_a_service_is_through_when_it_has_seen_the_end_after_the_moment() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    idle = {"lag": 0, "due": 0, "outbox": 0}
    assert to_do(idle | {"absorbed_through": "2026-01-01T00:00:01Z"}, moment) == 0
    assert to_do(idle | {"absorbed_through": "2025-12-31T23:59:59Z"}, moment) == 1
    assert to_do(idle | {"absorbed_through": None}, moment) == 1
    busy = {"lag": 1, "due": 2, "outbox": 3, "dead_letters": 9, "absorbed_through": "2026-01-02T00:00:00Z"}
    assert to_do(busy, moment) == 6
    assert to_do(busy | {"lag": None}, moment) == 5
