"""The door of each consuming service makes of every hostile record what the corpus says, without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from services.alerts.absorb import AlertsAbsorber
from services.health.absorb import HealthAbsorber
from services.revenue.absorb import RevenueAbsorber
from shared.deadletters import Letter
from shared.door import Door
from shared.kafka import Polled, partition_of
from tests.poison.corpus import corpus
from tests.poison.records import COUNTED, SKIPPED, Case

if TYPE_CHECKING:
    from shared.absorb import Absorber

PARTITIONS = 12
ABSORBERS: dict[str, Absorber] = {
    "health": HealthAbsorber(ZoneInfo("UTC")),
    "revenue": RevenueAbsorber(),
    "alerts": AlertsAbsorber(),
}
CASES = corpus("unit")


def polled(case: Case) -> Polled:
    partition = (partition_of(case.key or b"", PARTITIONS) + case.partitions_off) % PARTITIONS
    return Polled(case.topic, partition, 0, case.key, case.value, (), case.timestamp_ms or 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_record_is_judged_as_the_corpus_says(case: Case) -> None:
    for service, expected in case.verdicts.items():
        found = Door(service, ABSORBERS[service], PARTITIONS).judge(polled(case), datetime.now(UTC))
        verdict = found.error.code if isinstance(found, Letter) else COUNTED if found else SKIPPED
        assert verdict == expected, service


def test_the_corpus_is_large_and_names_each_case_once() -> None:
    assert len([case for case in CASES if set(case.verdicts.values()) - {COUNTED, SKIPPED}]) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_letter_names_what_can_be_read_and_is_the_same_wherever_it_lies() -> None:
    [case] = [each for each in CASES if each.name == "future specversion"]
    door, record = Door("health", ABSORBERS["health"], PARTITIONS), polled(case)
    later = record._replace(offset=7, value=(record.value or b"").replace(b'"recordedtime": "2', b'"recordedtime": "1'))
    one, other = (door.judge(each, datetime.now(UTC)) for each in (record, later))
    assert isinstance(one, Letter)
    assert isinstance(other, Letter)
    assert (one.event_id, one.account_id, one.source) == (case.event_id, "poison/unit", "poison")
    assert one.identity == other.identity
    assert record.value != later.value
