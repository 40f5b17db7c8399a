"""Owns the events of one request: each is read and put where it belongs, and the answer is what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.ingest import items, person_store
from services.ingest.origin import Answer, Origin, Refusal
from shared.errors import BadEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.ingest.items import Item
    from shared.kafka import Record


@dataclass(slots=True)
class Work:
    """The events of one request, sorted by what becomes of them."""

    origin: Origin
    known: datetime
    records: list[Record] = field(default_factory=list)  # what goes to Kafka
    groups: list[Item] = field(default_factory=list)  # those of them that say who belongs to an account
    unknown: list[Item] = field(default_factory=list)  # account still to be looked up
    parked: list[Item] = field(default_factory=list)
    aliases: list[Item] = field(default_factory=list)
    refused: list[tuple[Refusal, bytes]] = field(default_factory=list)
    extra: dict[str, Record] = field(default_factory=dict)  # what follows from calls, by event id

    def read_all(self, raws: Sequence[bytes], plain: Sequence[Record | None]) -> None:
        """Read the events but for those that have their record already."""
        for index, (raw, record) in enumerate(zip(raws, plain, strict=True)):
            if record is None:
                self.read(index, raw)
            else:
                self.records.append(record)

    def read(self, index: int, raw: bytes) -> None:
        """Read one event and put it where it belongs."""
        try:
            item = items.read(index, raw, self.origin, self.known)
        except BadEvent as error:
            self.refuse(index, raw, error)
            return
        if item.call == "alias":
            self.aliases.append(item)
        elif item.account_id is None:
            self.unknown.append(item)
        else:
            self.send(item)

    def send(self, item: Item) -> None:
        """Note that an event goes to Kafka."""
        self.records.append(items.record(item.event, item.value))
        if item.call == "group":
            self.groups.append(item)

    def refuse(self, index: int, raw: bytes, error: BadEvent) -> None:
        """Note that an event is refused."""
        self.refused.append((items.refusal(index, raw, error), raw))

    @property
    def joined(self) -> list[person_store.Membership]:
        """Who belongs to which account since when, by this request's group calls."""
        return [
            person_store.Membership(each.person_id, each.event.time, each.account_id)
            for each in self.groups
            if each.person_id and each.account_id
        ]

    def answer(self, received: int) -> Answer:
        """Return what became of the events. Who a person is counts as accepted even while nobody asked."""
        parked = sum(not each.is_remembered for each in self.parked)
        rejected = sorted((why for why, _ in self.refused), key=lambda why: why.index)
        return Answer(
            success=True,
            received=received,
            accepted=received - parked - len(rejected),
            parked=parked,
            rejected=rejected,
        )
