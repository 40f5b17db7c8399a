"""Events about one customer's life, as ingest would hand them over."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.events import (
    AccountProfiled,
    ContactLeft,
    ContactUpserted,
    Event,
    InvoicePaid,
    InvoicePaymentFailed,
    ObjectiveMeasured,
    ObjectiveSet,
    Owner,
    OwnerAssigned,
    PersonAliased,
    SubscriptionItem,
    SubscriptionSnapshot,
    SurveyResponded,
    TicketClosed,
    TicketOpened,
    UsageRecorded,
)

NAMES: dict[type, str] = {
    UsageRecorded: "kizuna.usage.recorded",
    AccountProfiled: "kizuna.account.profiled",
    OwnerAssigned: "kizuna.account.owner_assigned",
    ContactUpserted: "kizuna.contact.upserted",
    ContactLeft: "kizuna.contact.left",
    SurveyResponded: "kizuna.survey.responded",
    TicketOpened: "kizuna.ticket.opened",
    TicketClosed: "kizuna.ticket.closed",
    ObjectiveSet: "kizuna.objective.set",
    ObjectiveMeasured: "kizuna.objective.measured",
    PersonAliased: "kizuna.person.aliased",
    SubscriptionSnapshot: "kizuna.subscription.snapshot",
    InvoicePaid: "kizuna.invoice.paid",
    InvoicePaymentFailed: "kizuna.invoice.payment_failed",
}
TODAY = datetime(2026, 3, 18, 9, tzinfo=UTC)  # a Wednesday
START = TODAY - timedelta(days=100)


def told(
    data: Any, at: datetime, account: str = "acme", *, recorded: datetime | None = None, backfill: bool = False
) -> Event:
    """Make an event, whose id follows from what it says."""
    identity = f"{type(data).__name__}-{account}-{at.isoformat()}-{data!r}-{recorded}"
    return Event(identity, "test", NAMES[type(data)], account, at, recorded or at, data, backfill)


def used(at: datetime, person: str, kind: str = "search", account: str = "acme", **more: Any) -> Event:
    """Make a usage event."""
    event = {name: more.pop(name) for name in ("recorded", "backfill") if name in more}
    return told(UsageRecorded(event=kind, person_id=person, **more), at, account, **event)


def steady_usage(people: int = 4, days: int = 100, account: str = "acme") -> list[Event]:
    """Return history in which everybody does five kinds of things every working day."""
    moments = [START + timedelta(days=day) for day in range(days)]
    return [
        used(at, f"p{person}", f"kind{(person + at.toordinal() + kind) % 8}", account, recorded=TODAY, backfill=True)
        for at in moments
        if at.weekday() < 5
        for person in range(people)
        for kind in range(5)
    ]


def a_life() -> list[Event]:
    """Return what is told about an ordinary customer who is doing well."""
    due = date(2026, 6, 30)
    items = [
        SubscriptionItem(item_id="i", product_id="plan", quantity=Decimal(5), unit_amount=Decimal(20), interval="month")
    ]
    owner = Owner(id="csm-1", email="ko@vendor.example", name="Ko", locale="ja")
    return [
        told(AccountProfiled(name="Acme", tier="high", attributes={"plan": "pro"}), START),
        told(OwnerAssigned(role="csm", person=owner), START),
        told(
            SubscriptionSnapshot(subscription_id="s", status="active", currency="EUR", items=items, raw={"x": 1}), START
        ),
        told(ContactUpserted(contact_id="p0", name="Mia", email="mia@acme.example", roles=["champion"]), START),
        told(
            SurveyResponded(survey="nps", score=Decimal(9), contact_id="p0", comment="fine"), TODAY - timedelta(days=20)
        ),
        told(TicketOpened(ticket_id="t", severity="high", topic="export"), TODAY - timedelta(days=30)),
        told(TicketClosed(ticket_id="t", resolution="fixed"), TODAY - timedelta(days=28)),
        told(
            ObjectiveSet(
                objective_id="o", title="Faster", unit="h", baseline=Decimal(10), target=Decimal(0), due_on=due
            ),
            START,
        ),
        told(ObjectiveMeasured(objective_id="o", value=Decimal(5), by="customer"), TODAY - timedelta(days=3)),
        told(PersonAliased(person_id="p3", previous_id="p2"), TODAY - timedelta(days=2)),
        *steady_usage(),
    ]
