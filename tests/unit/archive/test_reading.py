"""How files are read: hour after hour, every chain in its own order, whatever clocks say; and what no file holds."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.archive.lines import frame_of, line_of
from shared.archive.names import Name
from shared.archive.reading import Sheet, in_order, records, sheets
from shared.archive.store import Store
from shared.kafka import Polled

SHEETS = st.lists(
    st.builds(
        Sheet,
        st.builds(
            Name,
            topic=st.sampled_from(["usage.v1", "billing.v1"]),
            hour=st.sampled_from(["2026-11-29/08", "2026-11-29/09", "2026-11-30/00"]),
            chain=st.sampled_from(["abc", "abc.1", "xyz"]),
            partition=st.integers(0, 2),
            start=st.integers(0, 50),
        ),
        st.just(1),
    ),
    unique_by=lambda sheet: sheet.name,
)


@given(SHEETS)
def test_all_files_are_read_and_every_chain_in_order(found: list[Sheet]) -> None:
    ordered = in_order(found)
    assert sorted(ordered) == sorted(found)
    chains: dict[tuple[str, str, int], int] = {}
    for sheet in ordered:
        name = sheet.name
        chain = (name.topic, name.chain, name.partition)
        assert name.start >= chains.get(chain, 0)
        chains[chain] = name.start


def test_hours_come_one_after_the_other_over_all_topics() -> None:
    names = [("usage.v1", "09", 0), ("billing.v1", "08", 7), ("usage.v1", "10", 5), ("billing.v1", "09", 9)]
    ordered = in_order(Sheet(Name(topic, f"2026-11-29/{hour}", "abc", 0, start), 1) for topic, hour, start in names)
    assert [(each.name.topic, each.name.hour[-2:]) for each in ordered] == [
        ("billing.v1", "08"),
        ("usage.v1", "09"),
        ("billing.v1", "09"),
        ("usage.v1", "10"),
    ]


async def write(store: Store, offsets: range, chain: str = "abc", value: bytes = b"{}") -> None:
    held = [Polled("usage.v1", 0, offset, b"k", value, (), 0) for offset in offsets]
    name = Name("usage.v1", "2026-11-29/08", chain, 0, offsets.start)
    await store.create(name.path, frame_of([line_of(each) for each in held]))


async def lost_in(store: Store) -> list[tuple[str, range]]:
    ordered = await sheets(store, ["usage.v1"])
    return [(sheet.name.chain, lost) async for sheet, _, lost in records(store, ordered) if lost]


@pytest.mark.parametrize(
    ("held", "lost"),
    [
        ([range(10), range(10, 20), range(20, 30)], []),
        ([range(10), range(20, 30)], [("abc", range(10, 20))]),
        ([range(10, 20), range(20, 30)], [("abc", range(10))]),
        ([range(20), range(10, 20), range(20, 30)], []),  # two archives were put together
    ],
)
async def test_what_lies_between_files_of_a_chain_is_missing(
    tmp_path: Path, held: list[range], lost: list[tuple[str, range]]
) -> None:
    store = Store(tmp_path.as_uri())
    for offsets in held:
        await write(store, offsets)
    assert await lost_in(store) == lost


async def test_every_chain_begins_anew(tmp_path: Path) -> None:
    store = Store(tmp_path.as_uri())
    for chain in ("abc", "abc.1", "xyz"):
        await write(store, range(10), chain)
    await write(store, range(15, 20), "abc.1")
    assert await lost_in(store) == [("abc.1", range(10, 15))]


@pytest.mark.parametrize(
    ("earlier", "begins", "value", "lost"),
    [
        ([range(20)], 10, b"{}", []),  # retention had taken what lies before 10, the broker lost its tail
        ([range(8), range(8, 20)], 10, b"{}", []),
        ([range(20)], 10, b"new", [("abc.1", range(10))]),  # the topic was made anew, or the life's first file is lost
        ([range(5)], 10, b"{}", [("abc.1", range(10))]),
        ([range(5), range(8, 20)], 10, b"{}", [("abc", range(5, 8))]),  # told once, of the chain that lacks it
        ([range(20)], 0, b"new", []),
    ],
)
async def test_a_later_life_goes_on_where_it_shares_a_record_with_an_earlier_one(
    tmp_path: Path, earlier: list[range], begins: int, value: bytes, lost: list[tuple[str, range]]
) -> None:
    store = Store(tmp_path.as_uri())
    for offsets in earlier:
        await write(store, offsets)
    await write(store, range(begins, 12), "abc.1", value)
    await write(store, range(12, 15), "abc.1", b"new")
    assert await lost_in(store) == lost


async def test_a_life_shares_records_with_any_earlier_one_of_its_cluster(tmp_path: Path) -> None:
    store = Store(tmp_path.as_uri())
    await write(store, range(20))
    await write(store, range(10, 30), "abc.1")
    await write(store, range(25, 28), "abc.2")
    await write(store, range(10, 12), "xyz.1")
    await write(store, range(10, 12), "abc.10")
    assert await lost_in(store) == [("xyz.1", range(10))]
