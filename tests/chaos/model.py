"""What must hold when all is at rest, by plain arithmetic on the acknowledged events. Knows nothing of the product."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.chaos.customers import Event

USAGE: Final = "kizuna.usage.recorded"
SNAPSHOT: Final = "kizuna.subscription.snapshot"
LEFT: Final = "kizuna.contact.left"
TOPICS: Final = {USAGE: "usage.v1", SNAPSHOT: "billing.v1"}
KEPT_BY_ALERTS: Final = {SNAPSHOT, "kizuna.account.profiled", "kizuna.account.owner_assigned"}


@dataclass(slots=True)
class Model:
    """The acknowledged events, and what follows from them."""

    events: dict[str, Event] = field(default_factory=dict)

    @classmethod
    def of(cls, acknowledged: Iterable[Event]) -> Model:
        """Return the model of some events; the same id twice is one event."""
        return cls({event["id"]: event for event in acknowledged})

    @property
    def accounts(self) -> list[str]:
        """Every account that an event was acknowledged of."""
        return sorted({event["subject"] for event in self.events.values()})

    def of_type(self, kind: str) -> list[Event]:
        """Return the events of one type."""
        return [event for event in self.events.values() if event["type"] == kind]

    def usage(self) -> dict[tuple[str, str], int]:
        """Return the quantity of each usage event, by account and by the name that its `product` is."""
        return {(e["subject"], e["data"]["product"]): e["data"]["quantity"] for e in self.of_type(USAGE)}

    def days(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return how often and how much each account used the product on each day (UTC)."""
        found: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for event in self.of_type(USAGE):
            place = (event["subject"], event["time"][:10])
            calls, quantity = found[place]
            found[place] = (calls + 1, quantity + event["data"]["quantity"])
        return dict(found)

    def revenue(self) -> dict[str, int]:
        """Return what each account pays a month by its latest snapshot."""
        return {account: prices[-1] for account, prices in self.prices().items()}

    def prices(self) -> dict[str, list[int]]:
        """Return what each account paid by each of its snapshots, in the order of their numbers."""
        found: dict[str, list[int]] = defaultdict(list)
        for event in sorted(self.of_type(SNAPSHOT), key=number):
            found[event["subject"]].append(int(float(event["data"]["items"][0]["unit_amount"])))
        return dict(found)

    def left(self) -> list[str]:
        """Return the accounts whose champion left."""
        return sorted({event["subject"] for event in self.of_type(LEFT)})

    def in_topic(self, topic: str) -> dict[str, list[int]]:
        """Return the numbers of each account's events that belong into a topic, rising."""
        found: dict[str, list[int]] = defaultdict(list)
        for event in self.events.values():
            if TOPICS.get(event["type"], "customer.v1") == topic:
                found[event["subject"]].append(number(event))
        return {account: sorted(numbers) for account, numbers in found.items()}

    def kept_by(self, service: str) -> set[str]:
        """Return the ids of the events that a service keeps whole."""
        kinds = {"revenue": {SNAPSHOT}, "alerts": KEPT_BY_ALERTS}
        if service == "health":
            return {name for name, event in self.events.items() if event["type"] != USAGE}
        return {name for name, event in self.events.items() if event["type"] in kinds[service]}


def number(event: Event) -> int:
    """Return an event's number in its account's life."""
    return int(event["id"].rpartition(".")[2])
