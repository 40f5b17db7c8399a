"""Signed links: whole ones are read, everything else is refused, and each says one thing for one person."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.links import VALID_FOR, BadLink, ExpiredLink, Links
from tests.unit.alerts.saying import START

LINKS = Links("a secret of the tests", "https://kizuna.example/")
CLAIM = LINKS.claim("alert", "acknowledge", ("jane", "en"), ("delivery", START))
TOKEN = LINKS.token(CLAIM)


def test_a_link_says_what_was_signed() -> None:
    url = urlsplit(LINKS.url(CLAIM))
    assert url.netloc == "kizuna.example"
    assert LINKS.read(url.path.removeprefix("/a/"), START) == CLAIM


def test_repeating_a_delivery_repeats_its_links() -> None:
    assert LINKS.token(LINKS.claim("alert", "acknowledge", ("jane", "en"), ("delivery", START))) == TOKEN


def test_nonces_differ_by_alert_action_and_delivery() -> None:
    whole = {
        LINKS.claim(alert, action, ("jane", "en"), (delivery, START)).nonce
        for alert in ("a", "b")
        for action in ("acknowledge", "true", "known")
        for delivery in ("c", "d")
    }
    assert len(whole) == 12


def test_a_secret_is_rotated_without_breaking_the_links_that_are_out() -> None:
    rotated = Links("a new secret, on the first line\na secret of the tests", "https://kizuna.example/")
    assert rotated.read(TOKEN, START) == CLAIM
    with pytest.raises(BadLink):
        LINKS.read(rotated.token(CLAIM), START)
    with pytest.raises(BadLink):
        Links("a new secret, on the first line", "https://kizuna.example/").read(TOKEN, START)


def test_links_expire() -> None:
    assert LINKS.read(TOKEN, START + VALID_FOR - timedelta(seconds=1)) == CLAIM
    with pytest.raises(ExpiredLink):
        LINKS.read(TOKEN, START + VALID_FOR)


def test_another_secret_writes_other_links() -> None:
    with pytest.raises(BadLink):
        Links("another secret entirely", "https://kizuna.example").read(TOKEN, START)


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_is_refused(place: int, letter: str) -> None:
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    try:
        read = LINKS.read(changed, START)
    except BadLink:
        return
    assert read == CLAIM, "the last character of base64 has bits that say nothing"


@given(st.text())
def test_whatever_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(BadLink):
        LINKS.read(text, START)
