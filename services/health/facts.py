"""What is known of one account, as a value: facts in, states folded from them. Pure; reads no clock.

`AccountFacts` holds all that was known at some time of learning (`known_at` is applied while loading); `at(as_of)`
restricts it to what had happened by then. States (contacts, tickets, objectives …) are folded by effective time, then
receipt, then id: never by arrival. Usage is known by the day, so the day in which `as_of` lies counts whole.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Self, TypeVar

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
from shared.mrr import quantised

F = TypeVar("F", bound=Fact)
DECISION_ROLES = frozenset({"champion", "executive", "decision_maker"})


@dataclass(frozen=True, slots=True)
class Contact:
    """A person at the customer.

    `left` is the last report that they have left; empty again once somebody says that the person is active.
    `left_roles` are the roles they held when they left.
    """

    contact_id: str
    person: int
    first_seen: datetime
    name: str | None = None
    email: str | None = None
    title: str | None = None
    roles: tuple[str, ...] = ()
    active: bool = True
    left: LeftReport | None = None
    left_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A support request; `closed` is None while it waits."""

    opened: TicketOpened
    closed: TicketClosed | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective as last set, since when it stands (`first_set`), and its measurements, oldest first."""

    objective_id: str
    first_set: datetime
    terms: ObjectiveSet
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Everything known of one account; build it with `account_facts`.

    `log` is ordered by effective time, `usage` by day. `last_live_at` and `last_backfill_at` are times of receipt of
    the latest fact of either kind.
    """

    account_id: str
    zone: tzinfo
    log: tuple[Fact, ...] = ()
    usage: tuple[UsageDay, ...] = ()
    last_live_at: datetime | None = None
    last_backfill_at: datetime | None = None

    def at(self, as_of: datetime) -> Self:
        """Return what of this had happened by `as_of`."""
        today = self.day_of(as_of)
        if not (self.log and self.log[-1].effective > as_of) and not (self.usage and self.usage[-1].day > today):
            return self
        end = bisect_right(self.log, as_of, key=_effective)
        last = bisect_right(self.usage, today, key=_day)
        return replace(self, log=self.log[:end], usage=self.usage[:last])

    def of(self, kind: type[F]) -> tuple[F, ...]:
        """Return the facts of one kind in the order in which they are folded."""
        return tuple(fact for fact in self.log if isinstance(fact, kind))

    def day_of(self, as_of: datetime) -> date:
        """Return the last day that has begun before `as_of`; midnight itself still belongs to the day before."""
        return _day_of(as_of, self.zone)

    def midnight(self, day: date) -> datetime:
        """Return the start of a day of the deployment's time zone, in UTC."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    @property
    def first_seen(self) -> datetime | None:
        """When the first thing happened that is known of the account."""
        firsts = [fact.effective for fact in self.log[:1]] + [self.midnight(day.day) for day in self.usage[:1]]
        return min(firsts, default=None)

    # usage

    def usage_between(self, first: date, last: date) -> tuple[UsageDay, ...]:
        """Return the days with usage from `first` to `last`, both included."""
        return self.usage[bisect_left(self.usage, first, key=_day) : bisect_right(self.usage, last, key=_day)]

    def last_complete_week(self, as_of: datetime) -> date:
        """Return the Monday of the last week (Monday to Sunday) that has ended by `as_of`."""
        # A date as `as_of` means the last microsecond of that day: a Sunday asked for so has ended.
        today = (as_of.astimezone(UTC) + timedelta(microseconds=1)).astimezone(self.zone).date()
        return today - timedelta(days=today.weekday() + 7)

    def weekly_persons(self, as_of: datetime, weeks: int) -> tuple[int, ...]:
        """Return distinct human persons in each of the last complete weeks, oldest first; a silent week is 0."""
        monday = self.last_complete_week(as_of) - timedelta(weeks=weeks - 1)
        found: list[set[int]] = [set() for _ in range(weeks)]
        for day in self.usage_between(monday, monday + timedelta(days=7 * weeks - 1)):
            found[(day.day - monday).days // 7].update(day.persons)
        return tuple(map(len, found))

    def weekly_calls(self, as_of: datetime, weeks: int) -> tuple[int, ...]:
        """Return calls in each of the last complete weeks, oldest first; a silent week is 0."""
        last = self.last_complete_week(as_of)
        mondays = [last - timedelta(weeks=back) for back in reversed(range(weeks))]
        return tuple(sum(d.calls for d in self.usage_between(m, m + timedelta(days=6))) for m in mondays)

    def last_seen(self, people: Iterable[int]) -> Mapping[int, date]:
        """Return the last day on which each of some persons used the product; who never did is absent."""
        wanted, seen = set(people), dict[int, date]()
        for day in reversed(self.usage):
            if not wanted:
                break
            found = wanted.intersection(day.persons)
            seen |= dict.fromkeys(found, day.day)
            wanted -= found
        return MappingProxyType(seen)

    # states

    @property
    def profile(self) -> Mapping[str, Any]:
        """The profile's fields that have a value, as in the contract; `attributes` are patched key by key."""
        fields: dict[str, Any] = {}
        for patch in self.of(ProfilePatch):
            attributes = patch.changes.get("attributes")
            merged = {**fields.get("attributes", {}), **attributes} if attributes else attributes
            fields.update(patch.changes)
            if "attributes" in patch.changes:
                fields["attributes"] = {key: value for key, value in (merged or {}).items() if value is not None}
        return MappingProxyType({name: value for name, value in fields.items() if value is not None})

    @property
    def owners(self) -> Mapping[str, Mapping[str, Any]]:
        """Who holds which role (`csm`, `manager` …); a role that nobody holds is absent."""
        held = {change.role: change.person for change in self.of(OwnerChange)}
        return MappingProxyType({role: person for role, person in held.items() if person is not None})

    @property
    def contacts(self) -> Mapping[str, Contact]:
        """The contacts by id, as they stand."""
        contacts: dict[str, Contact] = {}
        for fact in self.log:
            if isinstance(fact, (ContactPatch, LeftReport)):
                known = contacts.get(fact.contact_id) or Contact(fact.contact_id, fact.person, fact.effective)
                contacts[fact.contact_id] = (
                    _patched(known, fact) if isinstance(fact, ContactPatch) else _gone(known, fact)
                )
        return MappingProxyType(contacts)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """The tickets in the order of their first opening; opening one again makes it wait again."""
        tickets: dict[str, Ticket] = {}
        for fact in self.log:
            if isinstance(fact, TicketOpened):
                tickets[fact.ticket_id] = Ticket(fact)
            elif isinstance(fact, TicketClosed) and fact.ticket_id in tickets:
                tickets[fact.ticket_id] = replace(tickets[fact.ticket_id], closed=fact)
        return tuple(tickets.values())

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives in the order of their first setting, each with its measurements."""
        measured: dict[str, list[Measurement]] = {}
        for measurement in self.of(Measurement):
            measured.setdefault(measurement.objective_id, []).append(measurement)
        terms: dict[str, tuple[datetime, ObjectiveSet]] = {}
        for fact in self.of(ObjectiveSet):
            first = terms[fact.objective_id][0] if fact.objective_id in terms else fact.effective
            terms[fact.objective_id] = (first, fact)
        return tuple(Objective(key, first, last, tuple(measured.get(key, ()))) for key, (first, last) in terms.items())

    @property
    def subscriptions(self) -> Mapping[str, SubscriptionState]:
        """The last snapshot of each subscription, ended ones included."""
        return MappingProxyType({state.subscription_id: state for state in self.of(SubscriptionState)})

    @property
    def failed_payments(self) -> tuple[Payment, ...]:
        """The last failure of each invoice that has not been paid since."""
        last = {payment.invoice_id: payment for payment in self.of(Payment)}
        return tuple(payment for payment in last.values() if not payment.paid)

    @property
    def surveys(self) -> tuple[Survey, ...]:
        """Every answer, oldest first."""
        return self.of(Survey)

    def mrr(self, as_of: datetime) -> Mapping[str, Decimal]:
        """Return monthly recurring revenue by currency, to 6 decimals; currencies without revenue are absent."""
        return self._revenue(as_of, months=1)

    def arr(self, as_of: datetime) -> Mapping[str, Decimal]:
        """Return annual recurring revenue by currency, to 6 decimals: twelve months of what `mrr` rounds."""
        return self._revenue(as_of, months=12)

    def is_customer(self, as_of: datetime) -> bool:
        """Tell whether the account brings revenue; one whose billing is not known at all counts as a customer."""
        known = self.at(as_of).subscriptions
        return not known or any(state.mrr > 0 for state in known.values())

    def renewal_on(self, as_of: datetime) -> date | None:
        """Return the next end of a term that brings revenue, else the profile's `renewal_on`."""
        view = self.at(as_of)
        ends = [s.term_end for s in view.subscriptions.values() if s.mrr > 0 and s.term_end is not None]
        return min((end for end in ends if end >= self.day_of(as_of)), default=view.profile.get("renewal_on"))

    def _revenue(self, as_of: datetime, months: int) -> Mapping[str, Decimal]:
        total: dict[str, Fraction] = defaultdict(Fraction)
        for state in self.at(as_of).subscriptions.values():
            if state.mrr > 0:
                total[state.currency] += state.mrr
        return MappingProxyType({currency: quantised(months * amount) for currency, amount in total.items()})


def account_facts(
    account_id: str, zone: tzinfo, log: Iterable[Fact] = (), usage: Iterable[UsageDay] = ()
) -> AccountFacts:
    """Build the value from facts in any order, each any number of times; a day of usage may be given once."""
    unique = {(fact.source, fact.event_id, type(fact)): fact for fact in log}
    ordered = tuple(sorted(unique.values(), key=_order))
    days = tuple(sorted({day.day: day for day in usage}.values(), key=_day))
    live = [f.recorded for f in ordered if not f.backfill] + [d.live_at for d in days if d.live_at]
    history = [f.recorded for f in ordered if f.backfill] + [d.history_at for d in days if d.history_at]
    return AccountFacts(account_id, zone, ordered, days, max(live, default=None), max(history, default=None))


def persons(days: Iterable[UsageDay]) -> frozenset[int]:
    """Return the distinct human persons of some days."""
    return frozenset().union(*[day.persons for day in days])


def median(values: Sequence[float]) -> float:
    """Return the middle value, of an even number the mean of the middle two; 0 of nothing."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return 0.0
    return float(ordered[half]) if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


@lru_cache(maxsize=4096)
def _day_of(as_of: datetime, zone: tzinfo) -> date:
    """Every measure of every midnight of every account asks for the same few."""
    return (as_of.astimezone(UTC) - timedelta(microseconds=1)).astimezone(zone).date()


def _patched(contact: Contact, patch: ContactPatch) -> Contact:
    fields = {name: value for name, value in patch.changes.items() if name in {"name", "email", "title"}}
    if "roles" in patch.changes:
        fields["roles"] = tuple(patch.changes["roles"] or ())
    if "active" in patch.changes:
        fields["active"] = patch.changes["active"] is not False
    if patch.changes.get("active"):
        fields |= {"left": None, "left_roles": ()}
    elif contact.left is not None and not contact.left_roles:
        fields["left_roles"] = fields.get("roles", ())
    return replace(contact, **fields)


def _gone(contact: Contact, report: LeftReport) -> Contact:
    return replace(contact, left=report, left_roles=contact.left_roles or contact.roles)


def _effective(fact: Fact) -> datetime:
    return fact.effective


def _order(fact: Fact) -> tuple[datetime, datetime, str, str]:
    return fact.order


def _day(usage: UsageDay) -> date:
    return usage.day
