"""Net, gross and logo retention between two days, and the numbers they are made of. Pure.

Definitions: Carl Gold, "Fighting Churn With Data", listings 2.1, 2.2 and 2.4; the starting set is every customer with
MRR at the end of the first day, and nobody else is in a numerator. With m0 and m1 the MRR at the end of the two days:

    NRR = sum m1 / sum m0        GRR = sum min(m0, m1) / sum m0        logo retention = |m1 > 0| / |m0 > 0|
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.mrr import money

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from services.revenue.movement import Movement

DECIMALS: Final = 18


class Balance(NamedTuple):
    """One customer's MRR in `currency` at the end of the first and of the last day, and if it had paid by the first."""

    account_id: str
    currency: str
    opening: Decimal
    closing: Decimal
    paid_before: bool


class Rate(NamedTuple):
    """A share with what it was made of, MRR or customers. `value` is null where nothing was there to be lost."""

    value: str | None
    numerator: str | int
    denominator: str | int


class Part(NamedTuple):
    """A sum of MRR, never negative, and how many customers it comes from."""

    amount: str
    accounts: int


class Retention(NamedTuple):
    """The answer. First-time, reactivated, renewed and expanded MRR together are the closing MRR."""

    nrr: Rate
    grr: Rate
    logo_retention: Rate
    new: Part
    renewed: Part
    expanded: Part
    reactivated: Part
    contracted: Part
    churned: Part


def retention(balances: Iterable[Balance]) -> Retention:
    """Compare the balances of all customers in one currency."""
    everyone = list(balances)
    start = [one for one in everyone if one.opening]
    came = [one for one in everyone if not one.opening]
    renewed = [min(one.opening, one.closing) for one in start]
    opening = _total(one.opening for one in start)
    return Retention(
        nrr=_rate(_total(one.closing for one in start), opening),
        grr=_rate(_total(renewed), opening),
        logo_retention=_share(sum(1 for one in start if one.closing), len(start)),
        new=_part(one.closing for one in came if not one.paid_before),
        renewed=_part(renewed),
        expanded=_part(max(one.closing - one.opening, Decimal(0)) for one in start),
        reactivated=_part(one.closing for one in came if one.paid_before),
        contracted=_part(max(one.opening - one.closing, Decimal(0)) for one in start if one.closing),
        churned=_part(one.opening for one in start if not one.closing),
    )


def balances(account_id: str, movements: Sequence[Movement], first: date, last: date) -> list[Balance]:
    """Read an account's balances at the end of two days off its ledger, one per currency that moved by the last day."""
    found: dict[str, Balance] = {}
    for row in movements:
        if row.effective_on > last:
            continue
        before = found.get(row.currency) or Balance(account_id, row.currency, Decimal(0), Decimal(0), paid_before=False)
        opening, paid = before.opening, before.paid_before
        if row.effective_on <= first:
            opening, paid = row.mrr_after, paid or row.mrr_after > 0
        found[row.currency] = Balance(account_id, row.currency, opening, row.mrr_after, paid)
    return list(found.values())


def decimal_text(ratio: Fraction) -> str:
    """Write a ratio with 18 decimals, or with as many more as it takes for the text to be read as the ratio's float."""
    exact = float(ratio)
    return next(text for places in count(DECIMALS) if float(text := _fixed(ratio, places)) == exact)


def _fixed(ratio: Fraction, places: int) -> str:
    return f"{Decimal(f'{round(ratio * 10**places)}E-{places}'):f}"


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _part(amounts: Iterable[Decimal]) -> Part:
    counted = [amount for amount in amounts if amount]
    return Part(money(_total(counted)), len(counted))


def _rate(numerator: Decimal, denominator: Decimal) -> Rate:
    value = decimal_text(Fraction(numerator) / Fraction(denominator)) if denominator else None
    return Rate(value, money(numerator), money(denominator))


def _share(numerator: int, denominator: int) -> Rate:
    value = decimal_text(Fraction(numerator, denominator)) if denominator else None
    return Rate(value, numerator, denominator)
