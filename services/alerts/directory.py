"""Who an account is and who answers for it: facts folded by when they took effect, were learned, and their id. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic, TypeAlias, TypeVar

from shared.events import Owner, OwnerAssigned, SubscriptionSnapshot
from shared.mrr import quantised, snapshot_mrr

T = TypeVar("T")
Person: TypeAlias = Owner


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """A fact with the instant it took effect, the instant we learned it, and its id."""

    effective: datetime
    recorded: datetime
    id: str
    value: T

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """The one order in which facts are folded."""
        return (self.effective, self.recorded, self.id)


@dataclass(frozen=True, slots=True)
class Account:
    """What a message needs to know. `owners` holds the roles that somebody has now.

    `mrr` is per currency, empty where no subscription is known; 0 stands there alone, where nothing else is paid.
    """

    account_id: str
    name: str
    tier: str | None = None
    renewal_on: date | None = None
    owners: Mapping[str, Person] = field(default_factory=dict)
    mrr: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def at_stake(self) -> Decimal:
        """The amount to sort by: the greatest of its currencies, for no rates are known here."""
        return max(self.mrr.values(), default=Decimal(0))


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was said about one account: profile patches, owner assignments, subscription snapshots."""

    profiles: tuple[Dated[Mapping[str, Any]], ...] = ()
    owners: tuple[Dated[OwnerAssigned], ...] = ()
    subscriptions: tuple[Dated[SubscriptionSnapshot], ...] = ()


def account(account_id: str, facts: Facts, now: datetime, zone: tzinfo = UTC) -> Account:
    """Return the account as it stands at `now`; what takes effect later does not count yet.

    `zone`, the vendor's, says which day it is: that decides whether a renewal still lies ahead.
    """
    profile: dict[str, Any] = {}
    for patch in _in_force(facts.profiles, now):
        profile |= patch.value
    owners = {each.value.role: each.value.person for each in _in_force(facts.owners, now)}
    latest = {each.value.subscription_id: each.value for each in _in_force(facts.subscriptions, now)}
    return Account(
        account_id=account_id,
        name=profile.get("name") or account_id,
        tier=profile.get("tier"),
        renewal_on=_renewal(profile.get("renewal_on"), latest.values(), _day_of(now, zone)),
        owners={role: person for role, person in owners.items() if person is not None},
        mrr=_mrr(latest.values()),
    )


def _in_force(facts: Iterable[Dated[T]], now: datetime) -> list[Dated[T]]:
    return sorted((each for each in facts if each.effective <= now), key=lambda each: each.order)


def _renewal(declared: str | None, subscriptions: Iterable[SubscriptionSnapshot], today: date) -> date | None:
    """Take the next end of a term that brings revenue, as health does, else the date the profile declares."""
    ends = [each.term_end for each in subscriptions if each.term_end and quantised(snapshot_mrr(each)) > 0]
    stated = [date.fromisoformat(declared)] if declared else []
    return next((min(ahead) for dates in (ends, stated) if (ahead := [day for day in dates if day >= today])), None)


def _day_of(now: datetime, zone: tzinfo) -> date:
    """Return the last day that has begun before `now`: midnight itself is still the day before, as in health."""
    return (now.astimezone(UTC) - timedelta(microseconds=1)).astimezone(zone).date()


def worth_saying(sums: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Leave out currencies in which nothing is paid, unless nothing is paid at all."""
    return {currency: amount for currency, amount in sums.items() if amount} or dict(sums)


def _mrr(subscriptions: Iterable[SubscriptionSnapshot]) -> dict[str, Decimal]:
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for each in subscriptions:
        sums[each.currency] += snapshot_mrr(each)
    return worth_saying({currency: quantised(worth) for currency, worth in sums.items()})
