"""A write key opens exactly what it was made for, whether or not the database answers, until it is revoked."""

import asyncio
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import keys
from services.ingest.keys import KeyRing, WriteKey, checked_scopes, checked_source, digest_of, new_key, presented
from shared.errors import BadRequest, NotReady, Unauthorized
from tests.plugins.runtime import until


class Shelf:
    """Where keys are kept: it can be changed, it can be down, and it counts how often it is asked."""

    def __init__(self, *kept: WriteKey) -> None:
        self.kept = list(kept)
        self.down = False
        self.asked = 0

    async def load(self) -> list[WriteKey]:
        self.asked += 1
        if self.down:
            raise NotReady("down")
        return self.kept


def made(source: str = "shop") -> tuple[str, WriteKey]:
    secret, public = new_key()
    return secret, WriteKey(public, digest_of(secret), source, frozenset({"write"}))


def test_keys_are_long_random_and_not_kept() -> None:
    secret, key = made()
    assert secret.startswith(f"kz_{key.id}_")
    assert len(secret) == len("kz_") + 8 + 1 + 48
    assert secret.encode() not in key.digest
    assert len({new_key()[0] for _ in range(100)}) == 100


async def test_a_key_is_found_and_nothing_like_it() -> None:
    secret, key = made()
    ring = KeyRing(Shelf(key).load)
    await ring.renew()
    assert await ring.check(secret) == key
    wrong = [None, "", "kz_", secret[:-1], secret + "0", secret.upper(), f" {secret}", secret[:-1] + "g", "é", "kz_é"]
    messages = set()
    for each in [*wrong, new_key()[0], f"kz_{key.id}_{'0' * 48}"]:
        with pytest.raises(Unauthorized) as caught:
            await ring.check(each)
        messages.add((caught.value.code, caught.value.message))
    assert len(messages) == 1


async def test_a_new_key_counts_at_once_and_a_revoked_one_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MISS_SECONDS", 0)
    shelf = Shelf()
    ring = KeyRing(shelf.load)
    await ring.renew()
    secret, key = made()
    shelf.kept.append(key)
    assert await ring.check(secret) == key
    shelf.kept.clear()
    await ring.renew()
    with pytest.raises(Unauthorized):
        await ring.check(secret)


async def test_unknown_keys_do_not_ask_the_database_each_time() -> None:
    shelf = Shelf()
    ring = KeyRing(shelf.load)
    await ring.renew()
    for _ in range(50):
        with pytest.raises(Unauthorized):
            await ring.check(new_key()[0])
    assert shelf.asked == 1


async def test_known_keys_count_while_the_database_is_down() -> None:
    secret, key = made()
    shelf = Shelf(key)
    ring = KeyRing(shelf.load)
    stop = asyncio.Event()
    await ring.renew()
    shelf.down = True
    running = asyncio.create_task(ring.run(stop))
    await until(lambda: shelf.asked >= 2)
    assert await ring.check(secret) == key
    stop.set()
    await running


async def test_before_the_first_look_nobody_is_told_that_his_key_is_wrong() -> None:
    shelf = Shelf()
    shelf.down = True
    for key in (new_key()[0], "nonsense", None):
        with pytest.raises(NotReady):
            await KeyRing(shelf.load).check(key)


@given(st.text(st.characters(codec="latin-1", exclude_characters=":"), min_size=1, max_size=60))
def test_all_headers_carry_a_key(key: str) -> None:
    raw = key.encode("latin-1")
    assert presented({b"authorization": b"Basic " + b64encode(raw + b":")}) == key
    assert presented({b"authorization": b"basic " + b64encode(raw + b":ignored")}) == key
    if key.strip() == key:
        assert presented({b"authorization": b"Bearer " + raw}) == key
        assert presented({b"x-write-key": raw}) == key


@given(st.binary(max_size=40))
def test_any_header_is_read_without_an_error(raw: bytes) -> None:
    for scheme in (b"", b"Basic ", b"Bearer ", b"Digest "):
        found = presented({b"authorization": scheme + raw})
        assert found is None or isinstance(found, str)


def test_no_header_is_no_key() -> None:
    assert presented({}) is None
    assert presented({b"authorization": b"Digest x"}) is None
    assert presented({b"authorization": b"Basic !!!"}) == ""


def test_sources_and_scopes_are_checked() -> None:
    assert checked_source("shop/eu-1") == "shop/eu-1"
    for source in ("", " ", "a b", "-a", "a\n", "x" * 101, "é"):
        with pytest.raises(BadRequest, match="source"):
            checked_source(source)
    assert checked_scopes(["backdate", "write", "write"]) == ["write", "backdate"]
    for scopes in ([], ["admin"], ["write", "x"]):
        with pytest.raises(BadRequest, match="scopes"):
            checked_scopes(scopes)
