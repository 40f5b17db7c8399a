"""Every command against services over real HTTP: what it asks, what it prints, how it exits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.access import Access, new_key_pair
from tests.plugins.cli import PlayedService, Request

Run = Callable[..., tuple[int, str, str]]

HEALTH = {
    "account_id": "acme", "as_of": "2026-01-01", "known_at": "2026-01-01", "definition": "standard-1", "score": 61.5,
    "band": "watch", "coverage": 0.78, "gates": [{"gate": "champion_left", "cap": 60, "event_ids": ["e"]}],
    "components": [{"measure": "active_people", "value": 0.5, "unit": "ratio", "points": 58.8, "weight": 34,
                    "contribution": -3.2, "lever": 9, "facts": 12}],
}  # fmt: skip
ITEM = {
    "account_id": "acme", "name": "Acme", "score": 61.5, "band": "watch", "trend": "down", "owner": "maya",
    "tier": None, "signals": ["usage_drop", "low_roi"], "biggest_lever": "active_people",
}  # fmt: skip
SHARE = {"value": "0.907287", "numerator": "218208.00", "denominator": "240506.00"}
MOVED = {"amount": "10.00", "accounts": 1}
RETENTION = {
    "from": "2022-06-01", "to": "2023-06-01", "currency": "USD", "nrr": SHARE, "grr": SHARE,
    "logo_retention": {**SHARE, "value": None}, "new": MOVED, "renewed": MOVED, "expanded": MOVED,
    "reactivated": MOVED, "contracted": MOVED, "churned": MOVED,
}  # fmt: skip
ALERT = {
    "id": "a1", "account_id": "acme", "signal": "usage_drop", "severity": "high", "state": "open", "historical": True,
    "opened_at": "2026-01-01", "since": "2026-01-01", "owner": None, "verdict": None,
    "deliveries": [{"channel": "slack", "state": "sent"}],
}  # fmt: skip
LETTER = {
    "id": 7, "reason": "bad_encoding", "message": "no\x1b[2J UTF-8", "topic": "usage.v1", "partition": 3, "offset": 12,
    "event_id": None, "source": None, "account_id": None, "refused_at": "2026-01-01", "replayed_at": None,
    "replayable": True, "key": {"bytes": 4, "text": "acme"}, "value": {"bytes": 2, "hex": "ff00"},
}  # fmt: skip


def listed(*items: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"items": list(items), "next_cursor": None}


READS = {
    ("health", "acme", "--as-of", "2026-01-01"): ("GET /v1/accounts/acme/health", (200, HEALTH), "held down by"),
    ("portfolio", "--band", "watch"): ("GET /v1/portfolio", listed(ITEM), "usage_drop, low_roi"),
    ("nrr", "2022-06-01", "2023-06-01"): ("GET /v1/retention", (200, RETENTION), "90.73 %"),
    ("alerts", "--state", "open"): ("GET /v1/alerts", listed(ALERT), "open (historical)"),
    ("alerts", "list"): ("GET /v1/alerts", listed(ALERT), "slack sent"),
    ("alerts", "ack", "a1"): ("POST /v1/alerts/a1/acknowledge", (200, ALERT), "acknowledged"),
    ("alerts", "resolve", "a1", "--verdict", "known"): ("POST /v1/alerts/a1/resolve", (200, ALERT), "resolved"),
    ("parked",): ("GET /v1/parked", listed({"id": "e1", "source": "web"}), "web"),
    ("dlq",): ("GET /v1/dead-letters", listed({"id": 7, "reason": "too_old"}), "too_old"),
    ("dlq", "list", "--service", "health"): ("GET /v1/dead-letters", listed({"id": 7, "reason": "nul"}), "nul"),
    ("dlq", "replay", "--reason", "nul", "--yes"): (
        "POST /v1/dead-letters/replay",
        (200, {"replayed": 2, "still_refused": {"nul": 1}}),
        "1 nul",
    ),
    ("dlq", "show", "7", "--service", "health"): ("GET /v1/dead-letters/7", (200, LETTER), "ff00"),
    ("fingerprint",): ("GET /v1/fingerprint", (200, {"fingerprint": "f00d"}), "revenue  f00d"),
    ("keys", "list"): ("GET /v1/keys", listed({"id": "k1", "source": "web", "scopes": ["write"]}), "k1"),
    ("keys", "revoke", "k1"): ("DELETE /v1/keys/k1", (200, {"id": "k1", "revoked": True}), "Revoked k1"),
    ("keys", "create", "--source", "web"): ("POST /v1/keys", (200, {"id": "k1", "key": "kz_x"}), "kz_x"),
}


@pytest.mark.parametrize("command", READS)
def test_a_command_asks_its_route_and_shows_the_answer(kizuna: Run, played: PlayedService, command: Any) -> None:
    route, answer, shown = READS[command]
    played.routes[route] = answer
    code, out, _ = kizuna(*command)
    assert code == 0
    assert shown in out
    assert all(request.headers["authorization"] == "Bearer a-token" for request in played.requests)


@pytest.mark.parametrize("command", READS)
def test_json_is_one_document_and_nothing_else(kizuna: Run, played: PlayedService, command: Any) -> None:
    route, answer, _ = READS[command]
    played.routes[route] = answer
    code, out, _ = kizuna("--json", *command)
    assert code == 0
    assert isinstance(json.loads(out), dict)
    assert kizuna(*command, "--json")[1] == out


@pytest.mark.parametrize("command", READS)
def test_what_the_service_refuses_is_exit_1_in_its_own_words(kizuna: Run, played: PlayedService, command: Any) -> None:
    played.routes[READS[command][0]] = (403, {"code": "forbidden", "message": "This needs the role admin."})
    code, out, err = kizuna(*command, "--json")
    assert code == 1
    assert json.loads(out)["code"] == "forbidden"
    assert "This needs the role admin." in err
    assert "kizuna token" in err


@pytest.mark.parametrize("command", [*READS, ("send", "-"), ("event", "e1")])
def test_nobody_there_is_exit_3_and_says_what_to_do(kizuna: Run, monkeypatch: pytest.MonkeyPatch, command: Any) -> None:
    for name in ("INGEST", "HEALTH", "REVENUE", "ALERTS"):
        monkeypatch.setenv(f"KIZUNA_{name}_URL", "http://127.0.0.1:1")
    code, out, err = kizuna(*command, "--json")
    assert code == 3
    assert json.loads(out)["code"] == "not_reachable"
    assert "does not answer at http://127.0.0.1:1: run `make up`" in err


@pytest.mark.parametrize(
    "command",
    [
        ("helth",),
        ("health",),
        ("nrr", "2023-06-01", "2022-06-01"),
        ("alerts", "resolve", "a1", "--verdict", "maybe"),
        ("token", "--role", "king", "--for", "maya"),
        ("token", "--role", "csm", "--for", "maya", "--expires", "soon"),
        ("send", "no-such-file"),
        ("import", "crm6", "no-such-folder"),
        ("import", "csv", "no-such.csv", "--type", "t", "--account", "a"),
        ("dlq", "--service", "sales"),
        ("dlq", "show", "7"),
        ("dlq", "replay", "--id", "7", "--yes"),
        ("fingerprint", "sales"),
        ("demo", "--json"),
        ("demo", "--slice", "no-such-folder"),
    ],
)
def test_wrong_usage_is_exit_2(kizuna: Run, played: PlayedService, command: Any) -> None:
    assert kizuna(*command)[0] == 2
    assert not [request for request in played.requests if request.method == "POST"]


def test_a_replay_is_dry_until_it_is_told_otherwise(kizuna: Run, played: PlayedService) -> None:
    played.routes["POST /v1/dead-letters/replay"] = 200, {"would_replay": 3, "still_refused": {"bad_json": 2}}
    code, out, err = kizuna("dlq", "replay", "--service", "health", "--id", "7", "--id", "8")
    assert code == 0
    assert "2 bad_json" in out
    assert "Nothing was sent. Add --yes to do it." in err
    assert json.loads(played.requests[-1].body) == {"reason": None, "ids": [7, 8], "dry_run": True}


def test_a_letter_is_shown_with_its_place_and_every_byte_and_does_nothing_to_the_terminal(
    kizuna: Run, played: PlayedService
) -> None:
    played.routes["GET /v1/dead-letters/7"] = 200, LETTER
    out = kizuna("dlq", "show", "7", "--service", "health")[1]
    assert "usage.v1, partition 3, offset 12" in out
    assert "key: 4 bytes\nacme\n" in out
    assert "value: 2 bytes, in hex\nff00\n" in out
    assert "no\\x1b[2J UTF-8" in out


def test_lists_are_followed_to_their_end(kizuna: Run, played: PlayedService) -> None:
    def pages(request: Request) -> tuple[int, Any]:
        more = request.query.get("cursor") != "second"
        return 200, {"items": [{**ITEM, "account_id": "1" if more else "2"}], "next_cursor": "second" if more else None}

    played.routes["GET /v1/portfolio"] = pages
    code, out, _ = kizuna("portfolio", "--json", "--owner", "maya")
    assert code == 0
    assert [item["account_id"] for item in json.loads(out)["items"]] == ["1", "2"]
    assert {request.query["owner"] for request in played.requests} == {"maya"}
    assert {request.query["limit"] for request in played.requests} == {"500"}


def test_an_empty_portfolio_is_shown_and_exit_1(kizuna: Run, played: PlayedService) -> None:
    played.routes["GET /v1/portfolio"] = listed()
    code, out, err = kizuna("portfolio", "--json")
    assert (code, json.loads(out)) == (1, {"items": []})
    assert "No account fits" in err


def test_account_ids_are_one_segment_of_the_path(kizuna: Run, played: PlayedService) -> None:
    assert kizuna("health", "a/b c")[0] == 1
    assert played.requests[-1].path == "/v1/accounts/a%2Fb%20c/health"


def test_an_answer_that_is_no_json_says_so(kizuna: Run, played: PlayedService) -> None:
    played.routes["GET /v1/alerts"] = (200, b"<html>")
    code, _, err = kizuna("alerts")
    assert code == 1
    assert "another program" in err


def test_status_tells_ready_from_not_ready_from_silent(
    kizuna: Run, played: PlayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.routes |= {"GET /readyz": (200, {}), "GET /v1/status": (200, {"lag": 3, "outbox": 1})}
    code, out, _ = kizuna("status", "--json")
    assert code == 0
    assert json.loads(out)["services"][1]["lag"] == 3
    played.routes["GET /readyz"] = (503, {"reason": "broker"})
    code, out, _ = kizuna("status")
    assert code == 1
    assert "broker" in out
    monkeypatch.setenv("KIZUNA_HEALTH_URL", "http://127.0.0.1:1")
    code, out, err = kizuna("status", "--json")
    assert code == 3
    assert [state["ready"] for state in json.loads(out)["services"]] == [False, None, False, False, False, False]
    assert "health not running: run `make up`" in err


METRICS = (
    b"# HELP kizuna_archive_held_seconds x\nkizuna_archive_held_seconds 12.5\nkizuna_archive_unread_records 40.0\n"
)


def test_status_tells_of_the_archive(kizuna: Run, played: PlayedService, monkeypatch: pytest.MonkeyPatch) -> None:
    played.routes |= {"GET /readyz": (200, {}), "GET /metrics": (200, METRICS)}
    code, out, _ = kizuna("status", "--json")
    archive = next(each for each in json.loads(out)["services"] if each["service"] == "archive")
    assert (code, archive["ready"], archive["lag"], archive["held_seconds"]) == (0, True, 40, 12.5)
    assert "12.5 s" in kizuna("status")[1]
    played.routes["GET /metrics"] = (200, METRICS.replace(b"40.0", b"NaN"))
    assert '"lag": NaN' not in kizuna("status", "--json")[1]
    monkeypatch.setenv("KIZUNA_ARCHIVE_URL", "http://127.0.0.1:1")
    code, _, err = kizuna("status")
    assert (code, "archive not running" in err) == (3, True)
    monkeypatch.delenv("KIZUNA_ARCHIVE_URL")
    code, out, _ = kizuna("status", "--json")
    assert (code, "archive" in out) == (0, False), "a deployment whose archive is not named"


def test_a_token_is_minted_with_the_key_of_this_machine(kizuna: Run, tmp_path: Path) -> None:
    private, public = new_key_pair()
    assert kizuna("token", "--role", "csm", "--for", "maya")[0] == 2
    place = tmp_path / ".run" / "secrets" / "private.pem"
    place.parent.mkdir(parents=True)
    place.write_text(private)
    code, out, _ = kizuna("token", "--role", "csm", "--for", "maya", "--expires", "12h")
    person = Access(public).verify(out.strip())
    assert (code, person.id, person.role) == (0, "maya", "csm")


def test_what_became_of_an_event(kizuna: Run, played: PlayedService) -> None:
    def counted(request: Request) -> tuple[int, Any]:
        if request.query["source"] == "web":
            return 200, {"service": "health", "state": "counted"}
        return 404, {"code": "not_found", "message": "health knows no such event"}

    played.routes |= {"GET /v1/keys": listed({"source": "web"}), "GET /v1/events/e1": counted}
    code, out, _ = kizuna("event", "e1", "--json")
    assert (code, json.loads(out)["source"]) == (0, "web")
    code, out, err = kizuna("event", "e1", "--source", "crm6", "--json")
    assert code == 1
    assert {each["state"] for each in json.loads(out)["services"]} == {"unknown"}
    assert "--source" in err


def test_help_shows_examples_as_written(kizuna: Run) -> None:
    code, out, _ = kizuna("import", "csv", "--help")
    assert code == 0
    assert "  kizuna import csv closed.csv --type kizuna.ticket.closed" in out
