"""The shapes of revenue's answers. They hold no receipt times (but where history is asked for) and no surrogate ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.revenue.ledger import Booked, history, ledger, standing
from shared.mrr import money

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from services.revenue.facts import Fact
    from services.revenue.movement import Movement
    from services.revenue.retention import Retention
    from services.revenue.store import Window

Place = tuple[str, str, bool, str]


def retention_answer(found: Retention, window: Window, profile: str, currency: str | None) -> dict[str, Any]:
    """Return retention with the definition it was computed by."""
    named = {"from": window.first, "to": window.last, "level": "customer", "profile": profile, "currency": currency}
    return named | {name: part._asdict() for name, part in found._asdict().items()}


def ledger_items(facts: Sequence[Fact], *, with_history: bool) -> Iterable[dict[str, Any]]:
    """Yield the rows in force, or with history every row that ever was, with the times between which it was."""
    if not with_history:
        return [_item(row) for row in ledger(facts)]
    return [_item(row.movement) | _times(row) for row in history(facts)]


def place(item: dict[str, Any]) -> Place:
    """Return where an item stands in its list: what a cursor points to."""
    return item["effective_on"], item["currency"], item["kind"] != "renewal", item.get("recorded_at", "")


def mrr_items(facts: Sequence[Fact], today: date) -> list[dict[str, Any]]:
    """Return the MRR per currency, and when the next of the terms that it rests on ends."""
    evening = standing(facts)
    ends: dict[str, date] = {}
    for one in evening.in_force.values():
        if one.term_end is not None and one.term_end > today:
            ends[one.currency] = min(one.term_end, ends.get(one.currency, one.term_end))
    return [
        {"currency": currency, "mrr": money(balance), "term_end": ends.get(currency)}
        for currency, balance in sorted(evening.balance.items())
    ]


def _item(row: Movement) -> dict[str, Any]:
    return {
        "effective_on": row.effective_on.isoformat(),
        "kind": row.kind,
        "amount": money(row.amount),
        "mrr_before": money(row.mrr_before),
        "mrr_after": money(row.mrr_after),
        "renewed_amount": None if row.renewed_amount is None else money(row.renewed_amount),
        "currency": row.currency,
        "product_id": row.product_id,
        "event_ids": row.event_ids,
        "backfill": row.backfill,
    }


def _times(row: Booked) -> dict[str, str | None]:
    ended = row.superseded_at
    return {
        "recorded_at": row.recorded_at.isoformat(timespec="microseconds"),
        "superseded_at": ended.isoformat(timespec="microseconds") if ended else None,
    }
