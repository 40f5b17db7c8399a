"""The route that says which risks an account ran at any time, as known at any other: computed from the facts."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.health import store
from services.health.answers import instant
from services.health.desk import Desk, Times
from services.health.detect import LOOK_BACK, context_of
from services.health.detector import Finding
from services.health.judge import findings
from services.health.signal_store import load_fleet
from shared.events import Text


def signal_routes(desk: Desk) -> APIRouter:
    """Return the routes about signals. An account id may contain slashes."""
    router = APIRouter(prefix="/v1/accounts/{account_id:path}")

    @router.get("/signals")
    async def get_signals(account_id: str, query: Annotated[Times, Query()]) -> dict[str, Any]:
        """List the signals that hold, by name, each with its evidence and the next step."""
        view = desk.view(query.as_of, query.known_at)
        definition = desk.rules.definition(query.definition)
        async with desk.database.snapshot() as conn:
            facts = await desk.facts(conn, account_id, view, (view.as_of - store.LOOK_BACK).date())
            fleet = await load_fleet(conn, (view.as_of - LOOK_BACK).date(), view.shown_known_at)
            remark = await desk.remark(conn, account_id, view)
        context = context_of(facts, view.as_of, definition.signals, fleet)
        titles = {name: title for detector in desk.rules.detectors for name, title in detector.titles.items()}
        found = findings(facts, context, desk.rules.detectors)
        return {
            "account_id": account_id,
            "as_of": instant(view.as_of),
            "known_at": instant(view.shown_known_at),
            "definition": definition.name,
            "items": [signal_answer(each) | {"title": _words(titles[each.signal])} for each in found],
            "next_cursor": None,
        } | remark

    return router


def signal_answer(finding: Finding) -> dict[str, Any]:
    """Return one signal as JSON-able values; `backfill` marks evidence that is history."""
    return {
        "signal": finding.signal,
        "subject_id": finding.subject_id or None,
        "severity": finding.severity,
        "since": instant(finding.since),
        "late": finding.late,
        "facts": dict(finding.facts),
        "next_step": _words(finding.next_step),
        "evidence": [
            {
                "fact": each.fact,
                "text": _words(each.text),
                "value": each.value,
                "at": instant(each.at),
                "event_ids": list(each.event_ids),
                "backfill": each.backfill,
            }
            for each in finding.evidence
        ],
    }


def _words(text: Text) -> dict[str, str]:
    return {"en": text.en, "ja": text.ja}
