"""Who plays in the demo: invented names for the companies of the slice, and people around the three of the story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

SOURCE: Final = "kizuna-demo"

COMPANIES: Final = {
    "9": "Harbour Freight Office", "21": "Lindgren Kitchens", "28": "Kestrel Logistics", "29": "Tiny Tax",
    "32": "Meridian Dental", "38": "Northwind Travel", "71": "Oakfield Schools", "93": "Brightwater Hotels",
    "100": "Solstice Media", "107": "Pinecrest Legal", "110": "Aozora Foods", "113": "Fern & Finch",
    "114": "Copperline Cycles", "118": "Quiet Studio", "125": "Halcyon Vets", "136": "Sakura Estates",
    "137": "Marlow Print", "139": "Umi Shipping", "141": "Bluebell Insurance", "143": "Granite Gym",
    "154": "Willow Florists", "163": "Everest Machinery", "170": "Hoshi Clinics", "171": "Larkspur Events",
    "172": "Juniper Books", "175": "Tanuki Games", "176": "Ember Energy", "182": "Cobalt Rentals",
}  # fmt: skip
"""By account id of the slice. They exist nowhere else."""

MAYA: Final = {
    "id": "maya", "name": "Maya Lindqvist", "email": "maya.lindqvist@vendor.example", "slack_id": "U0MAYA0001",
    "locale": "en", "time_zone": "UTC",
}  # fmt: skip
MISAKI: Final = {
    "id": "misaki", "name": "佐藤 美咲", "email": "misaki.sato@vendor.example", "slack_id": "U0MISAKI01",
    "locale": "ja", "time_zone": "Asia/Tokyo",
}  # fmt: skip
OF_MISAKI: Final = frozenset({"110", "136", "139", "170", "175"})

LEFT_BY_CHAMPION: Final = "110"
FALLEN: Final = "141"
LAGGING: Final = "163"
CHAMPION: Final = {
    "contact_id": "champion", "name": "Kenji Mori", "email": "kenji.mori@aozora.example", "title": "Head of Sales",
    "roles": ["champion", "decision_maker"],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """Where one performance plays: a prefix for its accounts, when it begins, the last moment of its history."""

    prefix: str
    now: datetime
    history_ends: datetime

    def account(self, number: str) -> str:
        """Return the id that an account of the slice has in this performance."""
        return self.prefix + number

    def event(self, key: str, kind: str, number: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
        """Return an event of this performance. The same key of the same performance is the same event."""
        return {
            "specversion": "1.0", "id": f"{self.prefix}{number}-{key}", "source": SOURCE, "type": kind,
            "subject": self.account(number), "time": at, "data": data,
        }  # fmt: skip


def cast_events(stage: Stage) -> Iterator[dict[str, Any]]:
    """Yield who everybody is, as marked history: names, owners, the champion, what was agreed with two customers.

    The two are those of whom the story tells something else; without an objective that would be a signal, too.
    """
    before = stage.history_ends - timedelta(weeks=26)
    for number, name in COMPANIES.items():
        owner = MISAKI if number in OF_MISAKI else MAYA
        tier = {"tier": "high"} if number in {LEFT_BY_CHAMPION, LAGGING} else {"tier": "low"}
        yield stage.event("profile", "kizuna.account.profiled", number, before, {"name": name, **tier})
        yield stage.event("owner", "kizuna.account.owner_assigned", number, before, {"role": "csm", "person": owner})
    yield stage.event("champion", "kizuna.contact.upserted", LEFT_BY_CHAMPION, before, CHAMPION)
    for number in (LEFT_BY_CHAMPION, FALLEN):
        due = (stage.history_ends + timedelta(weeks=13)).date()
        terms = objective("First answer to a lead within a day", "percent", ("40", "90"), (before, due))
        yield stage.event("objective", "kizuna.objective.set", number, before, terms)
        measured = {"objective_id": "objective", "value": "75", "by": "customer"}
        yield stage.event("measured", "kizuna.objective.measured", number, stage.history_ends, measured)


def objective(title: str, unit: str, way: tuple[str, str], term: tuple[Any, Any]) -> dict[str, Any]:
    """Return the data of an objective: from a baseline to a target, between two days."""
    start, due = term
    return {
        "objective_id": "objective", "title": title, "unit": unit, "baseline": way[0], "target": way[1],
        "start_on": start.date(), "due_on": due,
    }  # fmt: skip


def as_history(event: dict[str, Any]) -> bytes:
    """Return an event as marked history, in JSON."""
    return msgspec.json.encode({**event, "backfill": True})


def as_live(event: dict[str, Any]) -> bytes:
    """Return an event as it comes from a product or a CRM, in JSON."""
    return msgspec.json.encode(event)
