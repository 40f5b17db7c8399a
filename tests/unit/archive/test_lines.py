"""What is archived comes back byte for byte."""

from __future__ import annotations

import json

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.archive.lines import Damaged, frame_of, line_of, records_of
from shared.kafka import Polled

BYTES = st.one_of(
    st.none(),
    st.binary(),
    st.text().map(str.encode),
    st.sampled_from([b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\n"]),
)
NUMBERS = st.integers(0, 2**63 - 1)
RECORDS = st.builds(
    Polled,
    topic=st.sampled_from(["usage.v1", "usage.v1.health.dlq"]),
    partition=st.integers(0, 999),
    offset=NUMBERS,
    key=BYTES,
    value=BYTES,
    headers=st.lists(st.tuples(st.text(), BYTES)).map(tuple),
    timestamp_ms=st.integers(-1, 2**63 - 1),
)


@given(st.lists(st.lists(RECORDS, min_size=1), min_size=1))
def test_every_record_comes_back_byte_for_byte(frames: list[list[Polled]]) -> None:
    data = b"".join(frame_of([line_of(record) for record in frame]) for frame in frames)
    assert records_of(data) == [record for frame in frames for record in frame]


def test_a_line_is_json_that_other_tools_read() -> None:
    record = Polled("usage.v1", 3, 12, b"acme", b'{"id":"1"}', (("traceparent", b"00-1"), ("raw", b"\xff")), 1700)
    assert json.loads(line_of(record)) == {
        "topic": "usage.v1",
        "partition": 3,
        "offset": 12,
        "timestamp": 1700,
        "key": "acme",
        "value": '{"id":"1"}',
        "headers": [["traceparent", "00-1"], ["raw", {"base64": "/w=="}]],
    }


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_file_that_was_cut_is_damaged_and_not_merely_shorter(cut: int) -> None:
    record = Polled("usage.v1", 0, 1, b"acme", b"value", (), 1)
    with pytest.raises(Damaged):
        records_of(frame_of([line_of(record)])[:-cut])


@pytest.mark.parametrize("data", [b"", b"not zstd", bytes(cramjam.zstd.compress(b"no json"))])
def test_what_is_no_file_of_the_archive_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        records_of(data)
