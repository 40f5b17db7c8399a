"""Where the command line finds its services, and how values look in its tables."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.app import helped
from cli.client import is_loopback, remedy, segment
from cli.environment import PORTS, load, parse
from cli.output import plain, table
from cli.pictures import named, share, short, signed
from cli.sending import completed


def test_the_file_of_the_stack_is_found_above_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / ".run").mkdir()
    (tmp_path / ".run" / "env").write_text("export KIZUNA_HEALTH_URL='http://h:1/'\nexport KIZUNA_TOKEN=t\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    found = load(below, {"KIZUNA_TOKEN": "mine"})
    assert found.root == tmp_path
    assert found.url("health") == "http://h:1"
    assert found.get("KIZUNA_TOKEN") == "mine"
    assert found.get("KIZUNA_WRITE_KEY") == ""


def test_without_a_file_ports_and_urls_come_from_the_environment(tmp_path: Path) -> None:
    found = load(tmp_path, {"KIZUNA_ALERTS_PORT": "9004", "KIZUNA_INGEST_URL": "https://in.example"})
    assert found.url("alerts") == "http://127.0.0.1:9004"
    assert found.url("ingest") == "https://in.example"
    assert found.url("health") == f"http://127.0.0.1:{PORTS['health']}"


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z_]{0,9}", fullmatch=True), st.text("ab '\"$#=:/\\", max_size=9)))
def test_what_a_shell_reads_is_what_is_read(values: dict[str, str]) -> None:
    import shlex  # noqa: PLC0415 - the other half of the round trip

    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
    assert parse(f"# a remark\n\n{lines}") == values


@given(st.text(min_size=1))
def test_an_id_is_one_segment_of_a_path(identifier: str) -> None:
    if identifier.isprintable():
        assert not set("/?#% ") & set(segment(identifier).replace("%", ""))


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8001", True),
        ("http://localhost:8001", True),
        ("http://[::1]:1", True),
        ("https://kizuna.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_this_machine_is_reached_past_a_proxy(url: str, local: bool) -> None:
    assert is_loopback(url) is local


def test_remedies_fit_the_status() -> None:
    assert "kizuna token" in remedy(403)
    assert "kizuna status" in remedy(503)
    assert remedy(404) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "·"), ("", "·"), ([], "·"), (["a", None], "a, ·"), (0, "0"), ("x", "x"), (False, "False")],
)
def test_cells(value: object, shown: str) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(61.5, "61.5"), ("3.14159", "3.14"), (100, "100"), (0, "0"), ("n/a", "n/a"), (None, "·")]
)
def test_numbers_have_two_decimals_at_most(value: object, shown: str) -> None:
    assert short(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(1.5, "+1.5"), (-1.5, "-1.5"), (None, "·")])
def test_contributions_have_a_sign(value: object, shown: str) -> None:
    assert signed(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [("0.9072871", "90.73 %"), (None, None), (1, "100.00 %"), ("1.0202", "102.02 %")]
)
def test_rates_are_percentages(value: str | None, shown: str | None) -> None:
    assert share(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("maya", "maya"), ({"id": "m", "name": "Maya"}, "Maya"), ({"id": "m"}, "m"), ({}, "·"), (None, "·")],
)
def test_people_by_name(value: object, shown: str) -> None:
    assert named(value) == shown


def test_markup_in_data_is_data() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(table(("name",), [("[red]Acme[/red]",)]))
    assert "[red]Acme[/red]" in out.getvalue()


@given(st.binary(max_size=40))
def test_a_line_that_is_whole_is_sent_as_it_is(noise: bytes) -> None:
    line = b'{"specversion":"1.0","id":"1","source":"s","n":1.10}'
    assert completed(line + b"\n", 1) == (line, [])
    first, added = completed(b'{"note":"%s"}' % noise.hex().encode(), 1)
    assert added == ["specversion", "source", "id"]
    assert completed(b'{"note":"%s"}' % noise.hex().encode(), 9)[0] == first


def test_help_keeps_examples_apart() -> None:
    def run() -> None:
        """Do it.

        Example: kizuna do it
        """

    assert helped(run) == "Do it.\n\n\b\nExample:\n  kizuna do it"
