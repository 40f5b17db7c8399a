"""Customers whose life is made up, seeded: every event has its number in the account's life, without a gap.

Nothing here knows the product; events are what a vendor's systems would send.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random

SOURCE: Final = "chaos"
FEATURES: Final = ("login", "quote_sent", "report_opened", "deal_won", "export", "invite")
CHAMPION: Final = "c1"

Event = dict[str, Any]


@dataclass(slots=True)
class Customer:
    """One account. `number` is that of its next event."""

    name: str
    rng: random.Random
    number: int = 0
    leaves: list[Event] = field(default_factory=list)

    def event(self, kind: str, data: dict[str, Any]) -> Event:
        """Return the account's next event, effective now."""
        number, self.number = self.number, self.number + 1
        return {
            "specversion": "1.0",
            "id": f"{self.name}.{number:06d}",
            "source": SOURCE,
            "type": f"kizuna.{kind}",
            "subject": self.name,
            "time": datetime.now(UTC).isoformat(),
            "data": data,
        }

    def snapshot(self) -> Event:
        """Return what it pays from now on: more with every event, so that the last one can be told from the others."""
        price = f"{100 + self.number}.00"
        item = {"item_id": "seats", "product_id": "pro", "quantity": 1, "unit_amount": price, "interval": "month"}
        contract = {"subscription_id": f"{self.name}/s1", "status": "active", "currency": "USD"}
        return self.event("subscription.snapshot", contract | {"items": [item | {"interval_count": 1}]})

    def usage(self) -> Event:
        """Return usage whose `product` names the event, so that each can be found among what was counted."""
        data = {
            "event": self.rng.choice(FEATURES),
            "person_id": f"p{self.rng.randrange(6)}",
            "product": f"n{self.number}",
            "quantity": self.rng.randint(1, 9),
        }
        return self.event("usage.recorded", data)

    def live(self) -> Event:
        """Return whatever happens next to an account that stays."""
        if not self.number:
            return self.snapshot()
        chance = self.rng.random()
        if chance < 0.80:
            return self.usage()
        if chance < 0.88:
            return self.snapshot()
        if chance < 0.95:
            return self.event("survey.responded", {"survey": "nps", "score": self.rng.randint(0, 10)})
        ticket = {"ticket_id": f"t{self.number}", "severity": self.rng.choice(("low", "normal", "high", "urgent"))}
        return self.event("ticket.opened", ticket)

    def arrive(self) -> list[Event]:
        """Return the first events of an account whose champion will leave; its owner has no other account."""
        person = f"csm-{self.name}"
        owner = {"id": person, "email": f"{person}@vendor.example", "slack_id": f"U{self.name.upper()}", "locale": "en"}
        return [
            self.event("account.profiled", {"name": self.name}),
            self.event("account.owner_assigned", {"role": "csm", "person": owner}),
            self.event("contact.upserted", {"contact_id": CHAMPION, "name": "Kenji Sato", "roles": ["champion"]}),
            self.snapshot(),
            self.usage(),
        ]

    def leave(self) -> Event:
        """Return the news that its champion has left: the owner must hear of it."""
        return self.event("contact.left", {"contact_id": CHAMPION, "evidence": "human", "note": "Told by phone"})
