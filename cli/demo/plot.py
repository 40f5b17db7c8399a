"""What happens in the demo after the history: three scenes, each a few live events and the signal they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cli.demo.cast import COMPANIES, FALLEN, LAGGING, LEFT_BY_CHAMPION, objective

if TYPE_CHECKING:
    from cli.demo.cast import Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """Something happens at an account: what is told about it, the events, the signal that should reach its owner."""

    account: str
    signal: str
    told: str
    events: tuple[dict[str, Any], ...]


def scenes(stage: Stage) -> tuple[Scene, ...]:
    """Return the scenes in the order in which they are played."""
    return (champion_leaves(stage), one_login(stage), objective_lags(stage))


def champion_leaves(stage: Stage) -> Scene:
    """Return the scene in which a customer's champion is reported to have left."""
    data = {"contact_id": "champion", "evidence": "human", "note": "His colleague said so on the phone."}
    left = stage.event("left", "kizuna.contact.left", LEFT_BY_CHAMPION, stage.now, data)
    told = f"Kenji Mori, the champion at {COMPANIES[LEFT_BY_CHAMPION]}, has left. The owner speaks Japanese."
    return Scene(stage.account(LEFT_BY_CHAMPION), "champion_left", told, (left,))


def one_login(stage: Stage) -> Scene:
    """Return the scene in which one live login shows what the history knew but, being history, told nobody."""
    login = stage.event("login", "kizuna.usage.recorded", FALLEN, stage.now, {"event": "login", "person_id": "0"})
    told = (
        f"One person logs in at {COMPANIES[FALLEN]}, where usage has fallen. History was silent about it; this is live."
    )
    return Scene(stage.account(FALLEN), "usage_drop", told, (login,))


def objective_lags(stage: Stage) -> Scene:
    """Return the scene in which an objective is agreed and measured, and turns out to be worth less than the price."""
    agreed = stage.now - timedelta(days=200)
    terms = objective(
        "Quotes sent within two hours", "percent", ("20", "80"), (agreed, (stage.now + timedelta(days=60)).date())
    )
    terms["annual_value"] = {"amount": "60000.00", "currency": "USD"}
    measured = {"objective_id": "objective", "by": "customer"}
    kind = "kizuna.objective.measured"
    events = (
        stage.event("objective", "kizuna.objective.set", LAGGING, agreed, terms),
        stage.event("first", kind, LAGGING, stage.now - timedelta(days=45), {**measured, "value": "26"}),
        stage.event("second", kind, LAGGING, stage.now, {**measured, "value": "29"}),
    )
    told = f"{COMPANIES[LAGGING]} measures its objective: 29 percent, where 80 were agreed for in two months."
    return Scene(stage.account(LAGGING), "low_roi", told, events)
