"""Owns the dashboard: its rows, and for each panel what it shows, in which unit, by which expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

TITLE: Final = "Kizuna"
WIDTH, HEIGHT, COLUMNS = 8, 7, 3
DATA: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph. `queries` are expressions by the legend of their lines."""

    title: str
    unit: str
    queries: dict[str, str]

    @property
    def metrics(self) -> set[str]:
        """The metrics that the panel shows."""
        return set(re.findall(r"\bkizuna_[a-z_]+", " ".join(self.queries.values())))


def quantile(q: float, by: str, metric: str, over: str) -> str:
    """Return the expression for a quantile of a histogram."""
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({metric}_bucket[{over}])))"


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Is it well": (
        Panel("Ready replicas", "none", {"{{job}}": "sum by (job) (min by (job, instance) (kizuna_ready))"}),
        Panel("Halted consumers", "none", {"{{job}}": "sum by (job) (kizuna_consumer_halted)"}),
        Panel("Partitions read", "none", {"{{job}} {{instance}}": "kizuna_partitions_held"}),
        Panel("Waiting dead letters", "none", {"{{job}}": "max by (job) (kizuna_dead_letters_waiting)"}),
        Panel(
            "Refused a minute",
            "none",
            {"{{job}} {{reason}}": "60 * sum by (job, reason) (rate(kizuna_dead_letters_total[5m]))"},
        ),
        Panel(
            "Clock, seconds off",
            "s",
            {"{{job}}": "max by (job) (abs(timestamp(kizuna_clock_seconds) - kizuna_clock_seconds))"},
        ),
    ),
    "Events in": (
        Panel(
            "Events a second, by outcome",
            "none",
            {"{{outcome}}": "sum by (outcome) (rate(kizuna_ingest_events_total[5m]))"},
        ),
        Panel(
            "Acknowledged by the broker after",
            "s",
            {
                "half, {{job}}": quantile(0.5, "job", "kizuna_produce_seconds", "5m"),
                "99 %, {{job}}": quantile(0.99, "job", "kizuna_produce_seconds", "5m"),
            },
        ),
        Panel(
            "Producers replaced", "none", {"{{job}}": "sum by (job) (increase(kizuna_producers_rebuilt_total[10m]))"}
        ),
    ),
    "Events absorbed": (
        Panel("Behind, seconds", "s", {"{{job}} {{topic}}": "max by (job, topic) (kizuna_consumer_lag_seconds)"}),
        Panel("Behind, records", "none", {"{{job}} {{topic}}": "sum by (job, topic) (kizuna_consumer_lag_records)"}),
        Panel("Incidents", "none", {"{{job}} {{kind}}": "sum by (job, kind) (kizuna_position_incidents_total)"}),
        Panel(
            "Counted a second",
            "none",
            {"{{job}} {{topic}}": "sum by (job, topic) (rate(kizuna_events_absorbed_total[5m]))"},
        ),
        Panel(
            "Repeated a second",
            "none",
            {"{{job}} {{topic}}": "sum by (job, topic) (rate(kizuna_events_repeated_total[5m]))"},
        ),
        Panel(
            "One batch takes",
            "s",
            {"99 %, {{job}}": quantile(0.99, "job", "kizuna_absorb_batch_seconds", "5m")},
        ),
    ),
    "Decided and told": (
        Panel(
            "Accounts looked at a second",
            "none",
            {"{{job}}": "sum by (job) (rate(kizuna_accounts_evaluated_total[5m]))"},
        ),
        Panel("Longest overdue look", "s", {"{{job}}": "max by (job) (kizuna_due_oldest_seconds)"}),
        Panel(
            "Looks that failed", "none", {"{{job}}": "sum by (job) (increase(kizuna_evaluation_failures_total[10m]))"}
        ),
        Panel("Outbox, rows", "none", {"{{job}}": "max by (job) (kizuna_outbox_rows)"}),
        Panel("Outbox, oldest", "s", {"{{job}}": "max by (job) (kizuna_outbox_oldest_seconds)"}),
        Panel(
            "Sent on a second",
            "none",
            {"{{job}} {{topic}}": "sum by (job, topic) (rate(kizuna_outbox_relayed_total[5m]))"},
        ),
    ),
    "Deliveries": (
        Panel(
            "Attempts",
            "none",
            {"{{channel}} {{outcome}}": "sum by (channel, outcome) (increase(kizuna_alert_attempts_total[10m]))"},
        ),
        Panel(
            "Given up", "none", {"{{channel}}": "sum by (channel) (increase(kizuna_alert_dead_deliveries_total[1h]))"}
        ),
        Panel(
            "From decision to delivery",
            "s",
            {"99 %, {{channel}}": quantile(0.99, "channel", "kizuna_alert_delivery_seconds", "1h")},
        ),
    ),
    "The log of record": (
        Panel("Archived a second", "none", {"{{topic}}": "sum by (topic) (rate(kizuna_archive_records_total[5m]))"}),
        Panel("Not read yet, records", "none", {"{{instance}}": "kizuna_archive_unread_records"}),
        Panel("Held and not written, oldest", "s", {"{{instance}}": "kizuna_archive_held_seconds"}),
        Panel("Files an hour", "none", {"{{topic}}": "sum by (topic) (increase(kizuna_archive_files_total[1h]))"}),
        Panel(
            "Files that were there already",
            "none",
            {"{{instance}}": "increase(kizuna_archive_collisions_total[1h])"},
        ),
    ),
}


def panels() -> list[Panel]:
    """Return all panels."""
    return [panel for row in ROWS.values() for panel in row]


def document() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it; the data source is asked for."""
    drawn: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        drawn.append(
            {"id": len(drawn) + 1, "type": "row", "title": title, "gridPos": _place(0, y, 3 * WIDTH, 1), "panels": []}
        )
        y += 1
        for number, panel in enumerate(row):
            column, line = number % COLUMNS, number // COLUMNS
            drawn.append(_panel(len(drawn) + 1, panel, _place(column * WIDTH, y + line * HEIGHT, WIDTH, HEIGHT)))
        y += -(-len(row) // COLUMNS) * HEIGHT
    return {
        "uid": "kizuna",
        "title": TITLE,
        "tags": ["kizuna"],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {
            "list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": drawn,
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + n), "datasource": DATA, "expr": expr, "legendFormat": legend}
        for n, (legend, expr) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": DATA,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}
