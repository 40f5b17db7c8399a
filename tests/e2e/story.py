"""What is told about customers: events as a vendor's systems send them, and one account that is doing well."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "vendor"
_NUMBERS = count()
WEEK = timedelta(weeks=1)


def new_account() -> str:
    """Name an account that no other test has."""
    return f"acme-{token_hex(4)}"


def event(kind: str, account: str, data: dict[str, Any], at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """Return a CloudEvent of type `kizuna.<kind>`, effective now unless told otherwise."""
    return {
        "specversion": "1.0",
        "id": f"{account}-{next(_NUMBERS)}",
        "source": SOURCE,
        "type": f"kizuna.{kind}",
        "subject": account,
        "time": (at or datetime.now(UTC)).isoformat(),
        "data": data,
        **more,
    }


def owner(locale: str, name: str | None = None) -> dict[str, Any]:
    """Return a CSM of their own, who reads `locale`."""
    person = name or f"csm-{token_hex(3)}"
    return {"id": person, "email": f"{person}@vendor.example", "slack_id": f"U{person[-6:].upper()}", "locale": locale}


def thriving(account: str, person: dict[str, Any], renewal: date) -> list[dict[str, Any]]:
    """Return a customer of good health: 1,200.00 a month, one champion, steady usage for twelve weeks."""
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=100)
    item = {"item_id": "seats", "product_id": "pro", "quantity": 10, "unit_amount": "1440.00", "interval": "year"}
    terms = {"term_start": (renewal - timedelta(days=365)).isoformat(), "term_end": renewal.isoformat()}
    goal = {"objective_id": "o1", "title": "Faster quotes", "unit": "percent", "baseline": "20", "target": "80"}
    span = {"start_on": (now - timedelta(days=60)).date().isoformat(), "due_on": renewal.isoformat()}
    worth = {"annual_value": {"amount": "90000.00", "currency": "USD"}}
    return [
        event("account.profiled", account, {"name": f"Acme {account}", "renewal_on": renewal.isoformat()}, long_ago),
        event("account.owner_assigned", account, {"role": "csm", "person": person}, long_ago),
        event("contact.upserted", account, {"contact_id": "c1", "name": "Kenji Sato", "roles": ["champion"]}, long_ago),
        event(
            "subscription.snapshot",
            account,
            {"subscription_id": f"{account}/s1", "status": "active", "currency": "USD", **terms}
            | {"items": [item | {"interval_count": 1}]},
            long_ago,
        ),
        event("survey.responded", account, {"survey": "nps", "score": 9, "contact_id": "c1"}),
        event("objective.set", account, goal | span | worth, now - timedelta(days=60)),
        event("objective.measured", account, {"objective_id": "o1", "value": "70", "by": "customer"}),
        *usage(account, [8] * 12),
    ]


def usage(account: str, weeks: list[int]) -> Iterator[dict[str, Any]]:
    """Yield marked history: so many people in each of the last complete weeks, using four features on a Tuesday."""
    monday = this_monday() - len(weeks) * WEEK
    for number, persons in enumerate(weeks):
        noon = datetime.combine(monday + number * WEEK + timedelta(days=1), time(12), UTC)
        for person in range(persons):
            for feature in ("login", "quote_sent", "report_opened", "deal_won"):
                data = {"event": feature, "person_id": f"p{person}"}
                yield event("usage.recorded", account, data, noon, backfill=True)


def left(account: str, at: datetime | None = None) -> dict[str, Any]:
    """Return the news that the champion of `thriving` has left."""
    return event("contact.left", account, {"contact_id": "c1", "evidence": "human", "note": "Told by phone"}, at)


def this_monday() -> date:
    """Return the first day of the week that still runs, in UTC."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=today.weekday())
