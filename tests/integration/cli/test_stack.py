"""The command line against the running stack: history imported, events followed, keys made, the demo played."""

import csv
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from cli.importer import crm6

SLICE = Path(__file__).parents[2] / "data" / "crm6_slice"
EVENTS = 3_000
SETTLED_AFTER = 12
Kizuna = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kizuna(running_stack: Mapping[str, str], tmp_path: Path) -> Kizuna:
    """Run the command line as a process of its own, in an empty folder."""

    def run(*arguments: str, said: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli", *arguments]
        env = {**os.environ, **running_stack, **environ}
        return subprocess.run(
            command, input=said, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
        )

    return run


def answer(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)


def eventually(look: Callable[[], bool], seconds: float = 20) -> None:
    given_up = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < given_up
        time.sleep(0.1)


def settled(kizuna: Kizuna) -> Any:
    """Return the fingerprints once they have stood for a while: signals of history follow it after some seconds."""
    seen: dict[str, float] = {}

    def standing() -> bool:
        now = time.monotonic()
        print_now = json.dumps(answer(kizuna("fingerprint", "--json")))
        since = seen.setdefault(print_now, now)
        return now - since > SETTLED_AFTER

    eventually(standing, 90)
    return answer(kizuna("fingerprint", "--json"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the slice, with its last events only."""
    folder = tmp_path_factory.mktemp("crm6")
    for name in ("accounts.csv", "subscriptions.csv"):
        (folder / name).write_bytes((SLICE / name).read_bytes())
    with lzma.open(SLICE / "events.csv.xz", "rt") as whole:
        lines = whole.readlines()
    (folder / "events.csv").write_text(lines[0] + "".join(lines[-EVENTS:]))
    return folder


def test_an_import_is_counted_exactly_and_a_repetition_changes_nothing(kizuna: Kizuna, small: Path) -> None:
    rows = list(crm6.subscription_rows(small / "subscriptions.csv"))
    first = answer(kizuna("import", "crm6", str(small), "--prefix", "once-", "--until-today", "--json"))
    assert first["rejected"] == 0
    assert first["accepted"] >= EVENTS + len(rows) + 28
    prints = settled(kizuna)
    again = answer(kizuna("import", "crm6", str(small), "--prefix", "once-", "--until-today", "--json"))
    assert again == first
    assert settled(kizuna) == prints
    assert set(prints) == {"ingest", "health", "revenue", "alerts"}

    listed = answer(kizuna("portfolio", "--json"))["items"]
    assert {item["account_id"] for item in listed} >= {f"once-{row['account_id']}" for row in rows}
    mine = [each for each in answer(kizuna("alerts", "--json"))["items"] if each["account_id"].startswith("once-")]
    assert all(alert["historical"] for alert in mine)


def test_what_became_of_an_imported_event(kizuna: Kizuna, small: Path) -> None:
    answer(kizuna("import", "crm6", str(small), "--prefix", "fate-", "--only", "subscriptions", "--json"))
    options = crm6.Options("fate-")
    first = json.loads(next(islice(crm6.subscription_events(small / "subscriptions.csv", options), 1)).event)
    states = {each["service"]: each["state"] for each in answer(kizuna("event", first["id"], "--json"))["services"]}
    assert states == {"ingest": "accepted", "health": "counted", "revenue": "counted", "alerts": "counted"}
    assert kizuna("event", "nobody-knows").returncode == 1


def test_retention_of_the_import_is_what_the_rows_say(kizuna: Kizuna, small: Path) -> None:
    before = answer(kizuna("nrr", "2023-01-01", "2023-09-01", "--json"))
    answer(kizuna("import", "crm6", str(small), "--prefix", "nrr-", "--only", "subscriptions", "--json"))
    after = answer(kizuna("nrr", "2023-01-01", "2023-09-01", "--json"))
    with (small / "subscriptions.csv").open() as file:
        paying = [row for row in csv.DictReader(file) if row["start_date"] <= "2023-01-01" < row["end_date"]]
    added = float(after["nrr"]["denominator"]) - float(before["nrr"]["denominator"])
    assert added == sum(int(row["mrr"]) for row in paying)


def test_lines_are_sent_refused_and_replayable(kizuna: Kizuna) -> None:
    good = {"id": "cli-1", "type": "kizuna.usage.recorded", "subject": "cli", "data": {"event": "x", "person_id": "p"}}
    done = kizuna("send", "-", "--json", said=json.dumps(good) + '\n{"type":"no.such","id":"cli-2","subject":"cli"}\n')
    assert answer(done, 1)["rejections"][0]["row"] == 2
    eventually(lambda: kizuna("event", "cli-1").returncode == 0)
    letters = answer(kizuna("dlq", "list", "--service", "ingest", "--json"))["items"]
    assert "cli-2" in {letter["event_id"] for letter in letters}
    assert kizuna("parked").returncode == 0


def test_keys_come_and_go(kizuna: Kizuna) -> None:
    made = answer(kizuna("keys", "create", "--source", "cli-test", "--json"))
    event = '{"id":"k","type":"kizuna.usage.recorded","subject":"keys","data":{"event":"x","person_id":"p"}}\n'
    assert answer(kizuna("send", "-", "--json", said=event, KIZUNA_WRITE_KEY=made["key"]))["accepted"] == 1
    assert answer(kizuna("keys", "revoke", made["id"], "--json"))["id"] == made["id"]
    refused = kizuna("send", "-", "--json", said=event, KIZUNA_WRITE_KEY=made["key"])
    assert answer(refused, 1)["code"] == "unauthorized"
    assert made["id"] in {key["id"] for key in answer(kizuna("keys", "list", "--json"))["items"]}


def test_a_token_has_the_rights_of_its_role_and_no_more(kizuna: Kizuna) -> None:
    viewer = answer(kizuna("token", "--role", "viewer", "--for", "v@example.com", "--json"))["token"]
    assert kizuna("alerts", KIZUNA_TOKEN=viewer).returncode == 0
    assert answer(kizuna("keys", "list", "--json", KIZUNA_TOKEN=viewer), 1)["code"] == "forbidden"
    assert answer(kizuna("alerts", "--json", KIZUNA_TOKEN="forged"), 1)["code"] == "unauthorized"


def test_status_shows_a_ready_stack(kizuna: Kizuna) -> None:
    assert all(state["ready"] for state in answer(kizuna("status", "--json"))["services"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_plays_on_the_running_stack_and_again(kizuna: Kizuna) -> None:
    first = kizuna("demo")
    assert first.returncode == 0, first.stderr
    for words in ("champion_left", "usage_drop", "low_roi", "推進担当者", "Bluebell Insurance", "Everest Machinery"):
        assert words in first.stdout
    counted = [answer(kizuna("fingerprint", name, "--json")) for name in ("health", "revenue")]
    second = kizuna("demo")
    assert second.returncode == 0, second.stderr
    assert [answer(kizuna("fingerprint", name, "--json")) for name in ("health", "revenue")] == counted
