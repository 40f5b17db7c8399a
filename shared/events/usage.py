"""Owns what is known about the use of the product (`usage.v1`)."""

from decimal import Decimal
from typing import Any, Final, Literal

from shared.events.fields import EventData, Id, bounded

ONCE: Final = Decimal(1)


class UsageRecorded(EventData, frozen=True, kw_only=True):
    """`kizuna.usage.recorded`: a person (or a program acting for one) did something in a product, `quantity` times."""

    event: Id
    person_id: Id
    product: Id | None = None
    quantity: Decimal = ONCE
    actor: Literal["human", "api", "agent"] = "human"
    outcome: Literal["ok", "error"] = "ok"
    properties: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.quantity is not ONCE:  # most usage says nothing of a quantity, and comes by the thousand
            bounded(self, "quantity", least=0)
