"""File names: read back as they were made, and the same for everybody who goes on from the same place."""

from hypothesis import given
from hypothesis import strategies as st

from shared.archive.names import Name, chain_of, hour_of, life_of

CLUSTERS = st.one_of(
    st.sampled_from(["MkU3OEVBNTcwNTJENDM2Qg", "kizuna-0f", "a.1", "a-00001-b", "クラスタ/1"]), st.text(min_size=1)
)


@given(CLUSTERS, st.integers(0, 3), st.integers(0, 10**6), st.integers(0, 2**63 - 1), st.integers(-1, 2**63 - 1))
def test_a_name_is_read_back(cluster: str, life: int, partition: int, start: int, timestamp: int) -> None:
    chain = chain_of(cluster, life)
    name = Name("usage.v1", hour_of(timestamp), chain, partition, start)
    assert Name.read(name.path) == name
    assert life_of(chain, cluster) == life
    assert life_of(chain, cluster + "x") is None


def test_a_name_says_topic_day_hour_and_place() -> None:
    name = Name("usage.v1", hour_of(1_795_946_400_000), "abc", 3, 12345)
    assert name.path == "usage.v1/2026-11-29/10/abc-00003-00000000000000012345.jsonl.zst"


def test_other_files_are_left_alone() -> None:
    assert Name.read("_heads/usage.v1/00001.json") is None
    assert Name.read("usage.v1/2026-11-29/10/abc-00003-00000000000000012345.jsonl.zst.tmp") is None
