"""How answers of the services look to a person: health with its drivers, the portfolio, retention, alerts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from cli.output import NOTHING, plain, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

BAND_STYLE: Final = {
    "healthy": "green",
    "watch": "yellow",
    "at_risk": "dark_orange",
    "critical": "red",
    "unknown": "dim",
}
TREND: Final = {"up": "↑", "down": "↓", "flat": "→"}


def health_picture(out: Console, answer: dict[str, Any]) -> None:
    """Draw one account's health: the headline, a row per measure, the gates that cap it."""
    out.print(headline(answer))
    out.print(table(
        ("measure", "value>", "unit", "points>", "weight>", "contribution>", "lever>", "facts>"),
        (
            (part["measure"], short(part["value"]), part["unit"], short(part["points"]), short(part["weight"]),
             signed(part["contribution"]), short(part["lever"]), part["facts"])
            for part in answer["components"]
        ),
    ))  # fmt: skip
    for gate in answer["gates"]:
        out.print(Text(f"held down by: {gate_words(gate)}", style="red"))
    if answer.get("provisional"):
        out.print(Text("provisional: not everything known by then is absorbed yet", style="dim"))


def headline(answer: dict[str, Any]) -> Text:
    """Return the line with account, score, band and coverage."""
    score = "no score" if answer["score"] is None else f"{answer['score']}"
    return Text.assemble(
        (answer["account_id"], "bold"), "  ", (f"{score} {answer['band']}", BAND_STYLE.get(answer["band"], "")),
        f"  coverage {share(answer['coverage'])}  as of {answer['as_of']}  definition {answer['definition']}",
    )  # fmt: skip


def gate_words(gate: Any) -> str:
    """Return a gate in words, whatever its fields are called."""
    parts = gate.items() if isinstance(gate, dict) else [("gate", gate)]
    return ", ".join(f"{name} {plain(value)}" for name, value in parts if name != "event_ids")


def portfolio_table(items: Iterable[dict[str, Any]]) -> Table:
    """Lay out accounts with what a CSM looks for first."""
    return table(
        ("account", "name", "score>", "band", "trend", "owner", "tier", "open signals", "biggest lever"),
        (
            (item["account_id"], item["name"], short(item["score"]),
             band(item["band"]) if item.get("customer", True) else "former",
             TREND.get(item["trend"], item["trend"]), named(item["owner"]), item["tier"], item["signals"],
             named(item["biggest_lever"]))
            for item in items
        ),
    )  # fmt: skip


def retention_table(windows: Iterable[dict[str, Any]]) -> Table:
    """Lay out windows, one a row, with the three rates and the fraction behind NRR."""
    return table(
        ("from", "to", "NRR>", "GRR>", "logos>", "MRR of them at the end>", "at the start>", "currency"),
        (
            (one["from"], one["to"], *(share(one[name]["value"]) for name in ("nrr", "grr", "logo_retention")),
             one["nrr"]["numerator"], one["nrr"]["denominator"], one["currency"])
            for one in windows
        ),
    )  # fmt: skip


def alerts_table(items: Iterable[dict[str, Any]]) -> Table:
    """Lay out alerts with where they were delivered."""
    return table(
        ("id", "account", "signal", "severity", "state", "since", "owner", "verdict", "deliveries"),
        (
            (item["id"], item["account_id"], item["signal"], item["severity"],
             f"{item['state']} (historical)" if item.get("historical") else item["state"],
             item["since"], named(item["owner"]), item["verdict"],
             [f"{one['channel']} {one['state']}" for one in item["deliveries"]])
            for item in items
        ),
    )  # fmt: skip


def band(name: str) -> Text:
    """Return a band in its colour."""
    return Text(name, style=BAND_STYLE.get(name, ""))


def share(value: str | float | None) -> str | None:
    """Write a rate as a percentage with two decimals; None where there is no denominator."""
    return None if value is None else f"{Decimal(str(value)) * 100:.2f} %"


def short(value: Any) -> str | None:
    """Write a number with at most two decimals, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return plain(value)
    try:
        return f"{Decimal(str(value)).quantize(Decimal('0.01')).normalize():f}"
    except ArithmeticError:
        return str(value)


def signed(value: Any) -> str | None:
    """Write a number with its sign."""
    written = short(value)
    return written if written is None or written.startswith(("-", NOTHING)) else f"+{written}"


def named(value: Any) -> str | None:
    """Return the name of something that may be an id, an object with a name, or nothing."""
    if isinstance(value, dict):
        return plain(next((value[key] for key in ("name", "measure", "email", "id") if value.get(key)), None))
    return plain(value)
