"""Owns the kinds of field that contracts are made of, and the bounds that JSON Schema types cannot express."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from shared.events.refusal import FieldError

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Name: TypeAlias = Annotated[str, Meta(max_length=500)]
Email: TypeAlias = Annotated[str, Meta(min_length=3, max_length=320)]
Currency: TypeAlias = Annotated[
    str, Meta(pattern="^[A-Z]{3}$", max_length=3, description="ISO 4217 code: three capital letters")
]
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
Scalar: TypeAlias = str | int | float | bool | None

DIGITS_BEFORE_POINT = 20
DIGITS_AFTER_POINT = 10
FIRST_YEAR = 1970
LAST_YEAR = 2200


class EventData(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of everything that may stand in an event's `data`. Unknown fields are ignored when reading."""


class Money(EventData, frozen=True, kw_only=True):
    """An amount with its currency. Amounts are decimals: strings in JSON, numbers are read exactly, too."""

    amount: Decimal
    currency: Currency

    def __post_init__(self) -> None:
        bounded(self, "amount")


def bounded(data: Struct, *names: str, least: int | None = None, most: int | None = None) -> None:
    """Refuse decimals that no customer's books contain: not finite, over 20.10 digits, outside [least, most]."""
    for name in names:
        value = getattr(data, name)
        if not isinstance(value, Decimal):
            continue
        if not _is_sane(value):
            raise FieldError("absurd_number", name, _SANE)
        if least is not None and value < least:
            raise FieldError("absurd_number", name, f"must be at least {least}")
        if most is not None and value > most:
            raise FieldError("absurd_number", name, f"must be at most {most}")


def dated(data: Struct, *names: str) -> None:
    """Refuse dates and instants outside the years 1970 to 2200."""
    for name in names:
        value = getattr(data, name)
        if isinstance(value, date) and not FIRST_YEAR <= value.year <= LAST_YEAR:
            raise FieldError("absurd_time", name, f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")


def _is_sane(value: Decimal) -> bool:
    if not value.is_finite() or value.adjusted() >= DIGITS_BEFORE_POINT:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS_AFTER_POINT


_SANE = f"must be a number with at most {DIGITS_BEFORE_POINT} digits before and {DIGITS_AFTER_POINT} after the point"
