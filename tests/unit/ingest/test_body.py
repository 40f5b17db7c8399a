"""No body gets in that is larger than it may be, and no compressed one makes anything but a refusal or itself."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterator

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive

from services.ingest.body import MOST_BYTES, MOST_MEMBERS, Disconnected, SlowBody, inflate
from services.ingest.body import read as read_held
from shared.errors import BadRequest, KizunaError, TooLarge, UnsupportedMedia


def _bare(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


DEFLATERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
    "identity": bytes,
    "": bytes,
}
COMPRESSED = ("gzip", "deflate", "zstd")


def receiver(*chunks: bytes, end: bool = True) -> Receive:
    messages: Iterator[Message] = iter(
        {"type": "http.request", "body": chunk, "more_body": not end or number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    )

    async def receive() -> Message:
        for message in messages:
            return message
        await asyncio.sleep(60)
        return {}

    return receive


async def read(receive: Receive, length: bytes | None, seconds: float = 60) -> bytes:
    return await read_held(receive, length, lambda _: None, seconds)


@given(st.sampled_from(sorted(DEFLATERS)), st.binary(max_size=5000))
def test_what_was_compressed_comes_out_again(name: str, data: bytes) -> None:
    assert inflate(DEFLATERS[name](data), f" {name.upper()} ") == data


@given(st.binary(max_size=2000))
def test_a_bare_deflate_stream_is_read_too(data: bytes) -> None:
    assert inflate(_bare(data), "deflate") == data


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_gzip_of_several_members_is_one_body(first: bytes, second: bytes) -> None:
    assert inflate(gzip.compress(first) + gzip.compress(second), "gzip") == first + second


@given(st.sampled_from(COMPRESSED), st.binary(max_size=300))
def test_junk_is_refused_or_empty(name: str, junk: bytes) -> None:
    try:
        inflate(junk, name)
    except KizunaError as error:
        assert (error.status, error.code) in {(400, "bad_encoding"), (413, "too_large")}  # noqa: PT017 - either is fine


@pytest.mark.parametrize("name", COMPRESSED)
@given(data=st.data())
def test_a_cut_off_body_is_refused(name: str, data: st.DataObject) -> None:
    whole = DEFLATERS[name](data.draw(st.binary(min_size=100, max_size=1000)))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(BadRequest, match="damaged"):
        inflate(cut, name)


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_bomb_is_refused_before_it_goes_off(name: str) -> None:
    bomb = DEFLATERS[name](bytes(60_000_000))
    assert len(bomb) < MOST_BYTES
    with pytest.raises(TooLarge):
        inflate(bomb, name)


@pytest.mark.parametrize("name", COMPRESSED)
def test_the_limit_is_exact(name: str) -> None:
    assert len(inflate(DEFLATERS[name](bytes(MOST_BYTES)), name)) == MOST_BYTES
    with pytest.raises(TooLarge):
        inflate(DEFLATERS[name](bytes(MOST_BYTES + 1)), name)


def test_many_members_share_one_limit() -> None:
    member = gzip.compress(bytes(MOST_BYTES // 2))
    assert len(inflate(member * 2, "gzip")) == MOST_BYTES
    with pytest.raises(TooLarge):
        inflate(member * 3, "gzip")


def test_a_gzip_body_has_a_bounded_number_of_members() -> None:
    member = gzip.compress(b"x")
    assert inflate(member * MOST_MEMBERS, "gzip") == b"x" * MOST_MEMBERS
    with pytest.raises(BadRequest, match="compress it as one"):
        inflate(member * (MOST_MEMBERS + 1), "gzip")
    with pytest.raises(BadRequest, match="compress it as one"):
        inflate(gzip.compress(b"") * (MOST_BYTES // 20), "gzip")


@pytest.mark.parametrize("name", ["br", "compress", "gzip, gzip", "\xff"])
def test_other_encodings_are_not_read(name: str) -> None:
    with pytest.raises(UnsupportedMedia, match="use gzip, deflate, zstd"):
        inflate(b"", name)


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=20))
async def test_chunks_are_joined(chunks: list[bytes]) -> None:
    assert await read(receiver(*chunks), None) == b"".join(chunks)


async def test_every_piece_is_held_before_the_next_is_asked_for() -> None:
    held: list[int] = []

    def hold(size: int) -> None:
        held.append(size)
        if len(held) == 2:
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        await read_held(receiver(b"abc", b"de", b"f"), None, hold)
    assert held == [3, 2]


async def test_the_wire_is_bounded_whatever_the_header_says() -> None:
    half = bytes(MOST_BYTES // 2)
    assert len(await read(receiver(half, half), b"10")) == MOST_BYTES
    with pytest.raises(TooLarge):
        await read(receiver(half, half, b"x"), b"10")
    with pytest.raises(TooLarge):
        await read(receiver(), str(MOST_BYTES + 1).encode())


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(SlowBody) as caught:
        await read(receiver(b"{", end=False), b"100", seconds=0.05)
    assert (caught.value.status, caught.value.retry_after) == (408, 1)


async def test_a_client_that_leaves_is_noticed() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(Disconnected):
        await read(receive, None)
