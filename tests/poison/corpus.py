"""The corpus: what may lie on a topic by malice, by mistake or by a producer of tomorrow, with the verdict on each."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.poison.records import BACKFILL, COUNTED, SKIPPED, Case, good, raw, readers, users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MIB: Final = 1024 * 1024
MOST: Final = 72 * 1024  # what an event may have on Kafka
LARGEST_ID: Final = "𐍈" * 255  # four bytes each
Make = dict[str, Any] | bytes | None


def corpus(edition: str) -> list[Case]:
    """Return all cases. Records of another edition are other records: other accounts, other ids."""
    maker = Maker(edition)
    return [
        *maker.bytes_that_are_no_event(),
        *maker.numbers_and_texts(),
        *maker.envelopes(),
        *maker.times(),
        *maker.contents(),
        *maker.places(),
        *maker.harmless(),
    ]


class Maker:
    """Makes cases, each about the edition's account and with an id of its own."""

    def __init__(self, edition: str) -> None:
        self._edition = edition
        self._made = 0
        self.account = f"poison/{edition}"

    def case(self, name: str, topic: str, make: Callable[[dict[str, Any]], Make], code: str, **more: Any) -> Case:
        """Return a case that all readers of the topic refuse with `code`."""
        self._made += 1
        event_id = f"{self._edition}-{self._made}"
        made = make(good(topic, self.account, event_id))
        value = raw(made) if isinstance(made, dict) else made
        verdicts = dict.fromkeys(readers(topic), code)
        return Case(
            name, topic, value, **{"key": self.account.encode(), "verdicts": verdicts, "event_id": event_id} | more
        )

    def bytes_that_are_no_event(self) -> Iterable[Case]:
        yield self.case("null value", "billing.v1", lambda _: None, "null_value")
        yield self.case("null key and null value", "usage.v1", lambda _: None, "null_value", key=None)
        yield self.case("empty value", "customer.v1", lambda _: b"", "bad_json")
        yield self.case("blanks only", "billing.v1", lambda _: b"  \n ", "bad_json")
        yield self.case("truncated JSON", "billing.v1", lambda e: raw(e)[:-9], "bad_json")
        yield self.case("two documents", "usage.v1", lambda e: raw(e) * 2, "bad_json")
        yield self.case("byte order mark", "customer.v1", lambda e: b"\xef\xbb\xbf" + raw(e), "bad_json")
        yield self.case("UTF-16", "billing.v1", lambda e: json.dumps(e).encode("utf-16"), "nul")
        yield self.case("UTF-16 without mark", "usage.v1", lambda e: json.dumps(e).encode("utf-16-le"), "nul")
        yield self.case("Latin-1", "signals.v1", lambda e: raw(e | {"x": "@"}).replace(b"@", b"\xe9"), "bad_encoding")
        yield self.case(
            "CESU-8", BACKFILL, lambda e: raw(e | {"x": "@"}).replace(b"@", b"\xed\xa0\x80"), "bad_encoding"
        )
        noise = bytes(random.Random(self._edition).choices(range(1, 256), k=500))
        yield self.case("random bytes", BACKFILL, lambda _: b"\x93" + noise, "bad_json")
        yield self.case("gzip", "usage.v1", lambda e: gzip.compress(raw(e)), "nul")
        yield self.case("an array", "customer.v1", lambda e: b"[" + raw(e) + b"]", "bad_json")
        yield self.case("the word null", "usage.v1", lambda _: b"null", "bad_json")
        yield self.case("1 MB + 1", "billing.v1", lambda e: padded(e, MIB + 1), "too_large")
        yield self.case("1 MB + 1 of noise", "customer.v1", lambda _: b"{" + noise * 2098, "too_large")
        yield self.case("one byte too many", "usage.v1", lambda e: padded(e, MOST + 1), "too_large")

    def numbers_and_texts(self) -> Iterable[Case]:
        for name, text, code in (
            ("NaN", "NaN", "bad_json"),
            ("Infinity", "-Infinity", "bad_json"),
            ("1e999", "1e999", "absurd_number"),
            ("5,000 digits", "1" * 5000, "absurd_number"),
            ("NaN as text", '"NaN"', "absurd_number"),
            ("21 digits", "1" * 21, "absurd_number"),
            ("negative quantity", "-1", "absurd_number"),
        ):
            yield self.case(name, "usage.v1", written("quantity", text), code)
        for name, text, code in (
            ("escaped NUL", '"a\\u0000"', "nul"),
            ("written NUL", '"a\0"', "nul"),
            ("lone high surrogate", '"\\ud800"', "lone_surrogate"),
            ("lone low surrogate", '"\\udc00 "', "lone_surrogate"),
            ("depth 65", "[" * 62 + "]" * 62, "too_deep"),
            ("depth 5,000", "[" * 5000 + "]" * 5000, "too_deep"),
            ("5,000 open brackets", "[" * 5000, "too_deep"),
        ):
            yield self.case(name, "customer.v1", written("attributes", f'{{"x": {text}}}'), code)

    def envelopes(self) -> Iterable[Case]:
        for name, topic, changes, code in (
            ("future specversion", "billing.v1", {"specversion": "2.0"}, "bad_specversion"),
            ("numeric specversion", "customer.v1", {"specversion": 1.0}, "bad_specversion"),
            ("no id", "billing.v1", {"id": ...}, "missing_field"),
            ("empty id", "signals.v1", {"id": ""}, "bad_value"),
            ("id of 256", "customer.v1", {"id": "i" * 256}, "bad_value"),
            ("no source", "usage.v1", {"source": ...}, "missing_field"),
            ("source of 10,000", "billing.v1", {"source": "s" * 10_000}, "bad_value"),
            ("no subject", "signals.v1", {"subject": ...}, "missing_field"),
            ("numeric subject", "billing.v1", {"subject": 7}, "wrong_type"),
            ("subject of 256", "usage.v1", {"subject": "a" * 256}, "bad_value"),
            ("no type", "customer.v1", {"type": ...}, "missing_field"),
            ("no data", BACKFILL, {"data": ...}, "missing_field"),
            ("data is a list", "usage.v1", {"data": [1]}, "wrong_type"),
            ("data is a text", "billing.v1", {"data": "{}"}, "wrong_type"),
            ("traceparent of 256", "billing.v1", {"traceparent": "0" * 256}, "bad_value"),
            ("backfill as text", "usage.v1", {"backfill": "yes"}, "wrong_type"),
        ):
            yield self.case(name, topic, changed(changes), code)
        for topic, keeper in (
            ("usage.v1", "health"),
            ("billing.v1", "health"),
            (BACKFILL, "health"),
            ("signals.v1", "alerts"),
        ):
            verdicts = dict.fromkeys(readers(topic), SKIPPED) | {keeper: "unknown_type"}
            of_tomorrow = changed({"type": "kizuna.of.tomorrow", "data": {"version": 9}})
            yield self.case(f"unknown type on {topic}", topic, of_tomorrow, "", verdicts=verdicts)

    def times(self) -> Iterable[Case]:
        far = (datetime.now(UTC) + timedelta(days=40000)).isoformat()
        for name, topic, changes, code in (
            ("no recordedtime", "billing.v1", {"recordedtime": ...}, "missing_field"),
            ("null recordedtime", "usage.v1", {"recordedtime": None}, "wrong_type"),
            ("numeric recordedtime", "customer.v1", {"recordedtime": 1764370000}, "wrong_type"),
            ("recordedtime without zone", "signals.v1", {"recordedtime": "2026-01-01T00:00:00"}, "wrong_type"),
            ("recordedtime in year 1", "billing.v1", {"recordedtime": "0001-01-01T00:00:00Z"}, "absurd_time"),
            ("recordedtime in 9999", "usage.v1", {"recordedtime": "9999-12-31T23:59:59Z"}, "absurd_time"),
            ("recordedtime in 109 years", "billing.v1", {"recordedtime": far, "time": far}, "time_in_future"),
            ("no time", "usage.v1", {"time": ...}, "missing_field"),
            ("time in year 1", "customer.v1", {"time": "0001-01-01T00:00:00+14:00"}, "absurd_time"),
            ("time after its receipt", "customer.v1", {"time": far}, "time_in_future"),
            ("time is a date", "signals.v1", {"time": "2026-01-01"}, "wrong_type"),
        ):
            yield self.case(name, topic, changed(changes), code)
        late = {"time": (datetime.now(UTC) - timedelta(days=31)).isoformat()}
        yield self.case("usage of last month", "usage.v1", changed(late), "too_old")

    def contents(self) -> Iterable[Case]:
        yield self.case("schema of tomorrow", "usage.v1", inside({"event": ..., "event_v2": "login"}), "missing_field")
        yield self.case("30 February", "billing.v1", inside({"term_end": "2026-02-30"}), "wrong_type")
        yield self.case("lower-case currency", "billing.v1", inside({"currency": "usd"}), "bad_currency")
        yield self.case("no severity", "signals.v1", inside({"severity": ...}), "missing_field")
        item = {"item_id": "i", "product_id": "p", "quantity": "9" * 20, "unit_amount": "9" * 20, "interval": "day"}
        verdicts = {"health": COUNTED, "revenue": "absurd_number", "alerts": COUNTED}
        yield self.case("MRR beyond belief", "billing.v1", inside({"items": [item]}), "", verdicts=verdicts)

    def places(self) -> Iterable[Case]:
        own = self.account.encode()
        for name, topic, key in (
            ("missing key", "billing.v1", None),
            ("empty key", "usage.v1", b""),
            ("key is no UTF-8", "customer.v1", b"\xff\xfe\xfd"),
            ("key of another account", "billing.v1", b"somebody else"),
            ("key with NUL", "signals.v1", own + b"\0"),
            ("key of 500 KB", BACKFILL, own * 25_000),
        ):
            yield self.case(name, topic, lambda e: e, "wrong_key", key=key)
        twice = b'"subject":"somebody else",'
        yield self.case(
            "subject twice, last wrong", "usage.v1", lambda e: raw(e)[:-1] + b"," + twice[:-1] + b"}", "wrong_key"
        )
        yield self.case("wrong partition", "billing.v1", lambda e: e, "wrong_partition", partitions_off=1)
        astray = good("billing.v1", self.account, "astray")
        verdicts = {"health": "wrong_topic", "alerts": "wrong_topic"}
        moved = changed({"type": astray["type"], "data": astray["data"]})
        yield self.case("billing among profiles", "customer.v1", moved, "", verdicts=verdicts)
        yield self.case("live among history", BACKFILL, changed({"backfill": False}), "wrong_topic")
        yield self.case("history among live", "billing.v1", changed({"backfill": True}), "wrong_topic")

    def harmless(self) -> Iterator[Case]:
        """Yield what looks bad and is not: it counts wherever its type is used."""
        trace = [("traceparent", b"00-\xff\0"), ("traceparent", b"0" * 10_000)]
        for name, topic, make, more in (
            ("subject twice, last right", "usage.v1", lambda e: b'{"subject":"x",' + raw(e)[1:], {}),
            ("headers twice", "billing.v1", lambda e: e, {"headers": [("ce_id", b"1"), ("ce_id", b"2")]}),
            ("bad traceparent headers", "customer.v1", lambda e: e, {"headers": trace}),
            ("a header without value", "usage.v1", lambda e: e, {"headers": [("x", None)]}),
            ("a header name that is no UTF-8", "usage.v1", lambda e: e, {"headers": [("\udcff\udcfe", b"v")]}),
            ("Kafka time of 1970", "billing.v1", lambda e: e, {"timestamp_ms": 1}),
            ("Kafka time of 10889", "signals.v1", lambda e: e, {"timestamp_ms": 2**48}),
            ("as large as may be", "customer.v1", lambda e: padded(e, MOST), {}),
            ("escape sequences", "customer.v1", inside({"name": "\x1b[2J\u202e"}), {}),
            ("traceparent of nonsense", "billing.v1", changed({"traceparent": "\x7f'; drop table"}), {}),
            ("fields of tomorrow", BACKFILL, inside({"of_tomorrow": {"x": [1e308]}}), {}),
        ):
            yield self._counted(self.case(name, topic, make, "", **more))
        large = {"id": LARGEST_ID, "source": LARGEST_ID[:-1] + "s"}
        everywhere = inside({"subscription_id": LARGEST_ID, "end_reason": "𐍈" * 500})
        case = self.case(
            "the largest ids", "billing.v1", lambda e: everywhere(e | large | {"subject": self._large()}), ""
        )
        yield self._counted(
            replace(case, key=self._large().encode(), event_id=LARGEST_ID, source=LARGEST_ID[:-1] + "s")
        )

    def _large(self) -> str:
        return self._edition + LARGEST_ID[len(self._edition) :]

    def _counted(self, case: Case) -> Case:
        kind = json.loads((case.value or b"").decode())["type"]
        used = users(kind, case.topic)
        return replace(case, verdicts={name: COUNTED if name in used else SKIPPED for name in readers(case.topic)})


def changed(changes: dict[str, Any]) -> Callable[[dict[str, Any]], Make]:
    return lambda event: {name: value for name, value in (event | changes).items() if value is not ...}


def inside(changes: dict[str, Any]) -> Callable[[dict[str, Any]], Make]:
    return lambda event: changed({"data": changed(changes)(event["data"])})(event)


def written(name: str, text: str) -> Callable[[dict[str, Any]], Make]:
    """Write a field of `data` as exactly that text."""
    return lambda event: raw(event | {"data": event["data"] | {name: "@@"}}).replace(b'"@@"', text.encode())


def padded(event: dict[str, Any], size: int) -> bytes:
    short = raw(event | {"padding": "@@"})
    return short.replace(b"@@", b"x" * (size - len(short) + 2))
