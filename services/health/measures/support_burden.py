"""Support burden: what the account has to ask for help with, weighted by how much it hurts and how recent it is."""

from datetime import datetime

from services.health.facts import AccountFacts, Ticket
from services.health.measure import Measure, Reading, age_days

SEVERITY = {"low": 0.5, "normal": 1.0, "high": 2.0, "urgent": 4.0}
HALF_LIFE_DAYS = 45.0
FORGOTTEN_DAYS = 180.0


def read(facts: AccountFacts, as_of: datetime) -> Reading | None:
    """Return the sum of severity x 2^(-age/45 d) over tickets; one that still waits does not age.

    None for an account of which no ticket was ever seen: nobody can tell a happy customer from a missing feed.
    """
    tickets = facts.at(as_of).tickets
    if not tickets:
        return None
    ages = [_age(ticket, as_of) for ticket in tickets]
    recent = [(ticket, age) for ticket, age in zip(tickets, ages, strict=True) if age <= FORGOTTEN_DAYS]
    burden = sum(SEVERITY.get(t.opened.severity, 1.0) * 2 ** (-age / HALF_LIFE_DAYS) for t, age in recent)
    basis = tuple(fact for ticket, _ in recent for fact in (ticket.opened, ticket.closed) if fact is not None)
    return Reading(burden, basis, min(ages))


def _age(ticket: Ticket, as_of: datetime) -> float:
    return 0.0 if ticket.closed is None else age_days(as_of, ticket.closed.effective)


PLUGIN = Measure("support_burden", "burden", {"en": "Support burden", "ja": "サポート負荷"}, read)
