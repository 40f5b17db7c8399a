"""Whatever is thrown at the door ends as a BadEvent whose code and message tell what to repair."""

import pytest

from shared.events import CODES, BadEvent, decode_event, decode_untrusted
from tests.unit.events.building import RECEIVED, USAGE, nested, raw, usage, with_data

SNAPSHOT = "kizuna.subscription.snapshot"
ITEM = {"item_id": "i", "product_id": "p", "quantity": "1", "unit_amount": "1", "interval": "month"}

HOSTILE = {
    "empty": (b"", "bad_json", "one JSON object"),
    "no object": (b"[]", "bad_json", "event"),
    "a null": (b"null", "bad_json", "event"),
    "cut off": (raw()[:-1], "bad_json", "one JSON object"),
    "two objects": (raw() + raw(), "bad_json", "one JSON object"),
    "byte order mark": (b"\xef\xbb\xbf" + raw(), "bad_json", "one JSON object"),
    "control character": (raw(id="@").replace(b"@", b"\x01"), "bad_json", "one JSON object"),
    "NaN": (usage("NaN"), "bad_json", "one JSON object"),
    "Infinity": (usage("-Infinity"), "bad_json", "one JSON object"),
    "1e999": (usage("1e999"), "absurd_number", "out of range"),
    "1e999 in an unknown field": (raw(x="@").replace(b'"@"', b"1e999"), "absurd_number", "out of range"),
    "5000 digits": (usage("1" * 5000), "absurd_number", "out of range"),
    "NaN as text": (usage('"NaN"'), "absurd_number", "data.quantity: must be a number"),
    "infinite as text": (usage('"-Infinity"'), "absurd_number", "data.quantity"),
    "21 digits": (usage("1" * 21), "absurd_number", "20 digits before"),
    "11 decimals": (usage('"0.12345678901"'), "absurd_number", "10 after the point"),
    "huge zero": (usage('"0e999"'), "absurd_number", "data.quantity"),
    "tiny exponent": (usage('"1e-999999"'), "absurd_number", "data.quantity"),
    "negative quantity": (usage("-1"), "absurd_number", "data.quantity: must be at least 0"),
    "no decimal": (usage('"ten"'), "wrong_type", "data.quantity: invalid decimal"),
    "a boolean quantity": (usage("true"), "wrong_type", "data.quantity"),
    "literal NUL": (raw(id="@").replace(b"@", b"\0"), "nul", "remove it"),
    "escaped NUL": (raw(subject="a\0b"), "nul", "remove it"),
    "NUL in a free key": (raw(data=USAGE["data"] | {"properties": {"a\0": 1}}), "nul", "remove it"),
    "NUL behind a backslash": (raw(x="\\\0"), "nul", "remove it"),
    "high surrogate": (raw(x="\ud800"), "lone_surrogate", "whole characters"),
    "low surrogate in a key": (raw(**{"\udc00": 1}), "lone_surrogate", "whole characters"),
    "surrogate at the very end": (b'{"a":"\\ud800"}', "lone_surrogate", "whole characters"),
    "Latin-1": (raw(id="@").replace(b"@", b"\xe9"), "bad_encoding", "send UTF-8"),
    "CESU-8 surrogate": (raw(id="@").replace(b"@", b"\xed\xa0\x80"), "bad_encoding", "send UTF-8"),
    "overlong NUL": (raw(id="@").replace(b"@", b"\xc0\x80"), "bad_encoding", "send UTF-8"),
    "65 deep": (nested(65), "too_deep", "64 levels"),
    "900 deep": (nested(900), "too_deep", "64 levels"),
    "5000 deep": (nested(5000), "too_deep", "64 levels"),
    "5000 deep and cut off": (b"[" * 5000, "too_deep", "64 levels"),
    "5000 deep objects": (b'{"a":' * 5000, "too_deep", "64 levels"),
    "one byte over the limit": (raw(x="").replace(b'""', b'"%s"' % (b"x" * 65 * 1024 * 2)), "too_large", "65536"),
    "unknown type": (raw(type="kizuna.usage.recorded.v9"), "unknown_type", "docs/events"),
    "old specversion": (raw(specversion="0.3"), "bad_specversion", "specversion"),
    "numeric specversion": (raw(specversion=1.0), "bad_specversion", "specversion"),
    "no id": (raw(id=...), "missing_field", "id: is required"),
    "empty id": (raw(id=""), "bad_value", "id: expected `str` of length >= 1"),
    "long id": (raw(id="x" * 256), "bad_value", "id: expected `str` of length <= 255"),
    "empty source": (raw(source=""), "bad_value", "source"),
    "numeric account": (raw(subject=7), "wrong_type", "subject: expected `str`, got `int`"),
    "null account": (raw(subject=None), "wrong_type", "subject"),
    "long account": (raw(subject="é" * 256), "bad_value", "subject"),
    "no data": (raw(data=...), "missing_field", "data: is required"),
    "data is a list": (raw(data=[]), "wrong_type", "data: expected `object`, got `array`"),
    "no person": (raw(data={"event": "e"}), "missing_field", "data.person_id: is required"),
    "unknown outcome": (raw(data=USAGE["data"] | {"outcome": "meh"}), "bad_value", "data.outcome"),
    "time without offset": (raw(time="2025-11-10T08:15:00"), "wrong_type", "time: expected `datetime` with a timezone"),
    "a date as time": (raw(time="2025-11-10"), "wrong_type", "time: invalid RFC3339"),
    "time as number": (raw(time=1762762500), "wrong_type", "time"),
    "the year 1969": (raw(time="1969-12-31T23:59:59Z"), "absurd_time", "time: must lie in the years 1970 to 2200"),
    "1970 in Samoa is 1969 in UTC": (raw(time="1970-01-01T00:00:00+14:00"), "absurd_time", "time"),
    "the year 1": (raw(time="0001-01-01T00:00:00+14:00"), "absurd_time", "time"),
    "the year 9999": (raw(time="9999-12-31T23:59:59-14:00"), "absurd_time", "time"),
    "the day after tomorrow": (raw(time="2025-11-12T08:15:00Z"), "time_in_future", "at most 24 hours"),
    "an invoice in 2040": (
        with_data("kizuna.invoice.paid").replace(b'"2025-11-10T08:15:00Z"', b'"2040-11-10T08:15:00Z"'),
        "time_in_future",
        "at most 3653 days",
    ),
    "lower-case currency": (with_data("kizuna.invoice.paid", currency="usd"), "bad_currency", "data.currency"),
    "currency with a newline": (with_data("kizuna.invoice.paid", currency="USD\n"), "bad_currency", "data.currency"),
    "numeric currency": (with_data("kizuna.invoice.paid", currency=840), "wrong_type", "data.currency"),
    "negative item": (
        with_data(SNAPSHOT, items=[ITEM, ITEM | {"quantity": -1}]),
        "absurd_number",
        "data.items[1].quantity: must be at least 0",
    ),
    "discount of 101": (
        with_data(SNAPSHOT, items=[ITEM | {"discount_percent": 101}]),
        "absurd_number",
        "data.items[0].discount_percent: must be at most 100",
    ),
    "no interval": (
        with_data(SNAPSHOT, items=[{k: v for k, v in ITEM.items() if k != "interval"}]),
        "missing_field",
        "data.items[0].interval: is required",
    ),
    "30 February": (with_data(SNAPSHOT, term_end="2026-02-30"), "wrong_type", "data.term_end"),
    "a term to 9999": (with_data(SNAPSHOT, term_end="9999-12-31"), "absurd_time", "data.term_end"),
    "upside-down scale": (
        with_data("kizuna.survey.responded", scale={"min": 5, "max": 1}),
        "bad_value",
        "data.scale.max: must be greater than min",
    ),
    "off the scale": (with_data("kizuna.survey.responded", score=11), "bad_value", "data.score: must lie on the scale"),
    "absurd yearly value": (
        with_data("kizuna.objective.set", annual_value={"amount": "1e21", "currency": "USD"}),
        "absurd_number",
        "data.annual_value.amount",
    ),
}


@pytest.mark.parametrize(("body", "code", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_it_is_refused_with_its_code_and_remedy(body: bytes, code: str, says: str) -> None:
    for refused in (lambda: decode_event(body), lambda: decode_untrusted(body, received=RECEIVED, backdate=False)):
        with pytest.raises(BadEvent) as refusal:
            refused()
        assert refusal.value.code == code, refusal.value.message
        assert says in refusal.value.message
        assert refusal.value.status == 400


def test_every_code_of_the_list_is_shown_by_a_case() -> None:
    assert {code for _, code, _ in HOSTILE.values()} == CODES.keys()
