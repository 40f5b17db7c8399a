"""Cutting finds the same parts as decoding does, and finds them where decoding finds nothing."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.split import elements, members
from shared.errors import BadRequest

TEXT = st.text(st.characters(codec="utf-8")) | st.text('\\"[]{},: u', max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
LAYOUT = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")])


@given(st.lists(JSON, max_size=6), LAYOUT, st.booleans())
def test_elements_are_those_of_the_decoder(values: list[Any], layout: tuple[str, str], ascii_only: bool) -> None:
    raw = json.dumps(values, separators=layout, ensure_ascii=ascii_only).encode()
    assert [repr(json.loads(part)) for part in elements(raw)] == [repr(value) for value in values]


@given(st.dictionaries(TEXT, JSON, max_size=6), LAYOUT)
def test_members_are_those_of_the_decoder(values: dict[str, Any], layout: tuple[str, str]) -> None:
    found = members(json.dumps(values, separators=layout).encode())
    assert {json.loads(b'"%s"' % key): repr(json.loads(part)) for key, part in found.items()} == {
        key: repr(value) for key, value in values.items()
    }


@given(st.binary(max_size=60) | st.text('[]{},:"\\ ', max_size=30).map(str.encode))
def test_anything_else_is_refused(raw: bytes) -> None:
    for cut in (elements, members):
        try:
            cut(raw)
        except BadRequest as error:
            assert error.code == "bad_json"  # noqa: PT017 - what else may happen is that it can be cut


@pytest.mark.parametrize("raw", [b"", b"[", b"]", b"[1", b"1]", b"[1]]", b"[[1]", b"[1][2]", b"{}", b"[1] x", b'["]'])
def test_unbalanced_arrays_are_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        elements(raw)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"a"}', b"{a:1}", b'{"a":1,}', b"{,}", b'{"a":1}{}'])
def test_broken_objects_are_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        members(raw)


def test_neighbours_of_a_deep_event_are_found() -> None:
    deep = b"[" * 5000 + b"]" * 5000
    assert elements(b'[{"a":1},' + deep + b',{"b":"]"}]') == [b'{"a":1}', deep, b'{"b":"]"}']


def test_the_last_of_twins_wins() -> None:
    assert members(b'{"a":1, "a" : [2] }') == {b"a": b"[2]"}


@pytest.mark.parametrize("piece", [b"[", b'"', b"[]", b'"a",', b"\\", b'"\\'])
def test_hostile_bodies_cost_little(piece: bytes) -> None:
    raw = b"[" + piece * (4 * 1024 * 1024 // len(piece)) + b"]"
    began = time.process_time()
    with contextlib.suppress(BadRequest):
        elements(raw)
    assert time.process_time() - began < 2
