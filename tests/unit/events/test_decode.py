"""What comes through the door, and in which shape."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from shared.events import (
    MAX_BYTES,
    AccountProfiled,
    BadEvent,
    Event,
    InvoicePaid,
    OwnerAssigned,
    ScoreChanged,
    UsageRecorded,
    decode_event,
    decode_untrusted,
    encode_event,
    topic_of,
    type_of,
)
from tests.unit.events.building import RECEIVED, nested, raw, usage, with_data


def quantity(written: str) -> Decimal:
    data = decode_event(usage(written)).data
    assert isinstance(data, UsageRecorded)
    return data.quantity


@pytest.mark.parametrize("written", ["0.1", '"0.1"', "1200.00", '"1200.00"', "1" * 20, '"0.1234567891"', "0", "-0"])
def test_decimals_are_read_exactly_from_numbers_and_strings(written: str) -> None:
    assert quantity(written) == Decimal(written.strip('"'))


def test_defaults_of_usage() -> None:
    data = decode_event(raw()).data
    assert data == UsageRecorded(
        event="report_created", person_id="u-1", quantity=Decimal(1), actor="human", outcome="ok"
    )


def test_times_are_in_utc() -> None:
    event = decode_event(raw(time="2025-11-10T17:15:00+09:00"))
    assert event.time == datetime(2025, 11, 10, 8, 15, tzinfo=UTC)
    assert event.time.tzinfo is UTC


def test_of_duplicate_keys_the_last_wins() -> None:
    assert decode_event(raw()[:-1] + b',"subject":"acct-2"}').subject == "acct-2"


def test_unknown_fields_are_ignored() -> None:
    assert decode_event(raw(comexample="x", data={"event": "e", "person_id": "p", "new": [1]})).id == "e-1"


def test_what_is_64_deep_passes() -> None:
    assert decode_event(nested(64)).id == "e-1"


def test_many_shallow_containers_pass() -> None:
    data = {"event": "e", "person_id": "p", "properties": {"rows": [[i] for i in range(1000)]}}
    assert decode_event(raw(data=data)).id == "e-1"


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert decode_event(raw(subject="C:\\u0000")).subject == "C:\\u0000"


def test_emoji_written_as_a_surrogate_pair_pass() -> None:
    assert decode_event(raw(subject="\N{COLLISION SYMBOL}")).subject == "\N{COLLISION SYMBOL}"


def test_billing_may_be_agreed_ten_years_ahead() -> None:
    ahead = with_data("kizuna.subscription.snapshot").replace(b"2025-11-10T08:15:00Z", b"2035-11-10T08:15:00Z")
    assert decode_event(ahead).time.year == 2035


def test_a_patch_tells_absent_from_null() -> None:
    data = decode_event(with_data("kizuna.account.profiled", name=..., tier=None)).data
    assert isinstance(data, AccountProfiled)
    assert (data.name, data.tier) == (msgspec.UNSET, None)
    again = json.loads(msgspec.json.encode(data))
    assert "name" not in again
    assert again["tier"] is None


def test_nobody_may_own_an_account() -> None:
    data = decode_event(with_data("kizuna.account.owner_assigned", person=None)).data
    assert data == OwnerAssigned(role="csm", person=None)
    assert b'"person":null' in msgspec.json.encode(data)


def test_the_key_depends_on_source_and_id_alone() -> None:
    event = decode_event(raw())
    assert len(event.key) == 16
    assert event.key == decode_event(raw(subject="other", time="2024-01-01T00:00:00Z")).key
    assert event.key != decode_event(raw(id="e-2")).key
    assert decode_event(raw(source="a", id="bc")).key != decode_event(raw(source="ab", id="c")).key


def test_services_cannot_say_what_no_one_could_read() -> None:
    with pytest.raises(ValueError, match="score: must be at most 100"):
        ScoreChanged(score=Decimal(101), band="healthy", definition="standard@1")


def test_types_topics_and_structs_belong_together() -> None:
    assert type_of(InvoicePaid(invoice_id="i", amount=Decimal(1), currency="USD")) == "kizuna.invoice.paid"
    assert topic_of("kizuna.invoice.paid") == "billing.v1"
    with pytest.raises(BadEvent, match="docs/events"):
        topic_of("kizuna.nothing")


def test_an_event_of_a_service_goes_over_the_wire() -> None:
    said = ScoreChanged(score=None, band="unknown", definition="standard@1", coverage=Decimal("0.4"))
    event = Event("h", "kizuna/health", type_of(said), "acct-1", RECEIVED, RECEIVED, said, backfill=True)
    assert decode_event(encode_event(event)) == event
    assert json.loads(encode_event(event))["partitionkey"] == "acct-1"


def test_a_client_needs_no_time() -> None:
    event, kept = decode_untrusted(raw(time=..., recordedtime=...), received=RECEIVED, backdate=False)
    assert event.time == event.recordedtime == RECEIVED
    assert decode_event(kept) == event


def test_unknown_fields_of_a_client_lie_on_kafka_untouched() -> None:
    body = raw(comexample={"a": [1.10]}, datacontenttype="application/json; charset=utf-8", recordedtime=...)
    body = body.replace(b"1.1", b"1.1000000000000000000001")
    event, kept = decode_untrusted(body, received=RECEIVED, backdate=False)
    assert b"1.1000000000000000000001" in kept
    fields = json.loads(kept)
    assert fields.pop("recordedtime") == "2025-11-10T08:15:02Z"
    assert fields.pop("partitionkey") == event.subject
    assert fields == json.loads(body)


@pytest.mark.parametrize("own", ["1999-01-01T00:00:00Z", "2199-01-01T00:00:00Z", None, 7, {"no": "time"}])
def test_a_clients_own_recordedtime_is_ignored(own: object) -> None:
    event, kept = decode_untrusted(raw(recordedtime=own, partitionkey="other"), received=RECEIVED, backdate=False)
    assert event.recordedtime == RECEIVED
    assert decode_event(kept) == event
    assert json.loads(kept)["partitionkey"] == "acct-1"


def test_a_backdating_key_may_say_when_it_was_learned() -> None:
    event, kept = decode_untrusted(
        raw(time="2024-01-01T00:00:00Z", recordedtime="2024-01-02T09:00:00+09:00"), received=RECEIVED, backdate=True
    )
    assert event.recordedtime == datetime(2024, 1, 2, tzinfo=UTC)
    assert decode_event(kept) == event
    without, _ = decode_untrusted(raw(recordedtime=...), received=RECEIVED, backdate=True)
    assert without.recordedtime == RECEIVED


@pytest.mark.parametrize(
    ("own", "code"),
    [("2025-11-10T08:15:03Z", "time_in_future"), ("1960-01-01T00:00:00Z", "absurd_time"), (7, "wrong_type")],
)
def test_backdating_has_bounds(own: object, code: str) -> None:
    with pytest.raises(BadEvent) as refusal:
        decode_untrusted(raw(recordedtime=own), received=RECEIVED, backdate=True)
    assert refusal.value.code == code
    assert refusal.value.message.startswith("recordedtime: ")


def test_the_largest_event_that_is_taken_can_be_read_again() -> None:
    subject = '"' * 255
    body = raw(subject=subject, time=..., recordedtime=..., x="@")
    body = body.replace(b"@", b"x" * (MAX_BYTES - len(body) + 1))
    assert len(body) == MAX_BYTES
    event, kept = decode_untrusted(body, received=RECEIVED + timedelta(microseconds=1), backdate=False)
    assert len(kept) > MAX_BYTES
    assert decode_event(kept) == event
    with pytest.raises(BadEvent, match="65537 bytes"):
        decode_untrusted(body + b" ", received=RECEIVED, backdate=False)
