"""Owns the reasons for a refusal: stable codes, and sentences that name the field and what would be right."""

import re
from typing import Final

import msgspec

from shared.errors import BadEvent

CODES: Final = {
    "bad_json": "not JSON, or not one JSON object",
    "bad_encoding": "not UTF-8",
    "lone_surrogate": "half of a UTF-16 surrogate pair",
    "nul": "a NUL character, written out or escaped",
    "too_deep": "nested deeper than 64",
    "too_large": "more than 64 KiB",
    "unknown_type": "a type that is not in the catalog",
    "bad_specversion": "a CloudEvents version other than 1.0",
    "missing_field": "a required field is absent",
    "wrong_type": "a field holds another JSON type, or a text that is no date, time or decimal",
    "bad_value": "a field's value is outside its list, length or pattern",
    "bad_currency": "not three capital letters",
    "absurd_number": "not finite, too many digits, or outside what the field can mean",
    "absurd_time": "outside the years 1970 to 2200",
    "time_in_future": "later than the time of receipt allows",
}

_PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`")


class FieldError(ValueError):
    """Raised while a struct is built from values that have the right types but make no sense together or at all."""

    def __init__(self, code: str, field: str, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.code = code
        self.field = field
        self.remedy = remedy


def refusal(error: Exception, at: str = "") -> BadEvent:
    """Translate what the decoder raised into a BadEvent. `at` is the place of the decoded part, e.g. `data`."""
    if isinstance(error, RecursionError):
        return BadEvent("too_deep", "the event is nested too deep: at most 64 levels are allowed")
    if isinstance(error, UnicodeDecodeError):
        return BadEvent("bad_encoding", f"the event is not UTF-8 ({error.reason}): send UTF-8")
    if isinstance(error, msgspec.ValidationError):
        return _invalid(error, at)
    if "surrogate" in str(error):
        return BadEvent("lone_surrogate", "the event holds half of a surrogate pair: send whole characters")
    return BadEvent("bad_json", f"{error}: send one JSON object")


def _invalid(error: msgspec.ValidationError, at: str) -> BadEvent:
    text = str(error)
    place = _PLACE.search(text)
    path = at + (place["path"].removeprefix("$") if place else "")
    message = text[: place.start()] if place else text
    cause = error.__cause__
    if isinstance(cause, FieldError):
        return BadEvent(cause.code, f"{_join(path, cause.field)}: {cause.remedy}")
    missing = _MISSING.search(message)
    if missing:
        return BadEvent("missing_field", f"{_join(path, missing['field'])}: is required")
    return BadEvent(_code(message, path), f"{path.lstrip('.') or 'event'}: {_lower(message)}")


def _code(message: str, path: str) -> str:
    if "out of range" in message:
        return "absurd_number"
    if path.endswith("currency") and "got" not in message:
        return "bad_currency"
    if path == ".specversion":
        return "bad_specversion"
    if path == "" and "got" in message:
        return "bad_json"
    bad_value = ("enum value", "of length", "matching regex", ">=", "<=")
    return "bad_value" if any(part in message for part in bad_value) else "wrong_type"


def _join(path: str, field: str) -> str:
    return f"{path}.{field}".lstrip(".")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
