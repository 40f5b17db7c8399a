"""Histories of an imaginary account, for property tests: facts of every kind, some of them later than asked about."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import strategies as st

from services.health.facts import AccountFacts, account_facts
from services.health.record import (
    ContactPatch,
    Fact,
    LeftReport,
    Measurement,
    ObjectiveSet,
    OwnerChange,
    Payment,
    ProfilePatch,
    SubscriptionState,
    Survey,
    TicketClosed,
    TicketOpened,
    UsageDay,
)

AS_OF = datetime(2026, 5, 13, 15, 30, tzinfo=UTC)  # a Wednesday
LONG_AGO = timedelta(weeks=-150)
DAYS = st.integers(-20, 200)
KINDS = ("search", "export", "share", "invite", "report", "login", "admin", "api", "sync", "print")
DECIMALS = st.integers(0, 100).map(Decimal)


class History(NamedTuple):
    """Facts in no particular order, some of them later than `as_of`."""

    log: tuple[Fact, ...]
    usage: tuple[UsageDay, ...]
    as_of: datetime

    def facts(self) -> AccountFacts:
        return account_facts("acme", UTC, self.log, self.usage)


def _stamp(days: int, number: int) -> dict[str, Any]:
    effective = AS_OF - timedelta(days=days, minutes=number % 7)
    return {
        "effective": effective,
        "recorded": effective + timedelta(hours=number % 50),
        "event_id": f"e{number}",
        "source": "s",
        "backfill": number % 3 == 0,
    }


NAMES = st.sampled_from("abc")
STAMPS = st.builds(_stamp, DAYS, st.integers(0, 10_000))


def _facts(kind: type[Fact], **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Fact]:
    return st.builds(lambda stamp, said: kind(**stamp, **said), STAMPS, st.fixed_dictionaries(parts))


LOGS = st.one_of(
    _facts(ProfilePatch, changes=st.dictionaries(st.sampled_from(["name", "tier"]), st.sampled_from([None, "x", "y"]))),
    _facts(OwnerChange, role=st.just("csm"), person=st.sampled_from([None, {"id": "ko", "email": "ko@v.example"}])),
    _facts(
        ContactPatch,
        contact_id=NAMES,
        person=st.integers(1, 5),
        changes=st.sampled_from([{"roles": ["champion"]}, {"roles": []}, {"active": True}, {"active": False}, {}]),
    ),
    _facts(LeftReport, contact_id=NAMES, person=st.integers(1, 5), evidence=st.sampled_from(["human", "deactivated"])),
    _facts(Survey, survey=st.just("nps"), score=st.integers(0, 10).map(Decimal), low=st.just(Decimal(0)),
           high=st.just(Decimal(10)), contact_id=st.sampled_from([None, "a", "b"])),
    _facts(TicketOpened, ticket_id=NAMES, severity=st.sampled_from(["low", "normal", "high", "urgent"])),
    _facts(TicketClosed, ticket_id=NAMES),
    _facts(ObjectiveSet, objective_id=NAMES, title=st.just("t"), unit=st.just("u"), baseline=DECIMALS, target=DECIMALS,
           due_on=DAYS.map(lambda days: (AS_OF + timedelta(days=days)).date())),
    _facts(Measurement, objective_id=NAMES, value=DECIMALS, by=st.sampled_from(["customer", "vendor", "estimate"])),
    _facts(SubscriptionState, subscription_id=NAMES, status=st.sampled_from(["active", "ended", "trialing"]),
           mrr=DECIMALS.map(Fraction), currency=st.sampled_from(["EUR", "USD"]),
           seats=st.dictionaries(NAMES, st.integers(0, 20))),
    _facts(Payment, invoice_id=NAMES, subscription_id=st.none(), amount=DECIMALS, currency=st.just("EUR"),
           paid=st.booleans()),
)  # fmt: skip


def _usage_day(days: int, persons: list[int], events: dict[str, int]) -> UsageDay:
    moment = AS_OF - timedelta(days=days)
    calls = sum(events.values())
    return UsageDay(moment.date(), tuple(sorted(persons)), Decimal(calls), events, calls // 4, calls, moment, None)


USAGE = st.lists(
    st.builds(
        _usage_day,
        DAYS,
        st.lists(st.integers(1, 9), unique=True, max_size=6),
        st.dictionaries(st.sampled_from(KINDS), st.integers(1, 9), min_size=1, max_size=6),
    ),
    max_size=30,
    unique_by=lambda day: day.day,
)


BUSY = History(
    tuple(TicketOpened(ticket_id=f"t{day}", severity="high", **_stamp(day, day)) for day in range(20)),
    tuple(_usage_day(day, list(range(9)), dict.fromkeys(KINDS, 9)) for day in range(120)),
    AS_OF,
)


def histories() -> st.SearchStrategy[History]:
    """Return a strategy of histories; an event id names one fact."""
    logs = st.lists(LOGS, max_size=15, unique_by=lambda fact: fact.event_id)
    return st.builds(lambda log, usage: History(tuple(log), tuple(usage), AS_OF), logs, USAGE)


def to_this_week(history: History) -> timedelta:
    """Return the whole weeks that bring a history's `as_of` into the last seven days of the real clock."""
    week = timedelta(weeks=1)
    return (datetime.now(UTC) - history.as_of) // week * week


def shifted(value: Any, by: timedelta) -> Any:
    """Return a value in which every date and moment lies `by` later."""
    if isinstance(value, (date, datetime)):
        return value + by
    if isinstance(value, History):
        return History(*(shifted(each, by) for each in value))
    if isinstance(value, tuple):
        return tuple(shifted(each, by) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: shifted(getattr(value, field.name), by) for field in fields(value)})
    return value
