"""In which order files are read: hour after hour, and every chain in its own order, whatever clocks say."""

from hypothesis import given
from hypothesis import strategies as st

from shared.archive.names import Name
from shared.archive.reading import Sheet, in_order

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
