"""The judge of a hang sees what took too long, what was answered wrongly, and what was not named."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from deploy.local.plan import SERVICES
from tests.chaos.hang.case import Watched, timed
from tests.chaos.hang.judge import Promise, broken

GOOD = Watched(
    "broker frozen",
    60,
    crowd={200: 5, 503: 2000},
    slowest_post=4.6,
    slowest_read=0.2,
    reads=Counter({200: 300}),
    named={f"/readyz {service}: broker" for service in SERVICES},
    grown=dict.fromkeys(SERVICES, 2.0),
    ingest_back=0.3,
    consumers_back={"health": 2.5},
    ended={"health": (3.0, 0)},
    looked_up=1500,
)


def test_what_was_kept_is_no_complaint() -> None:
    assert broken(GOOD, Promise()) == []
    assert broken(replace(GOOD, fault="slack hangs", named=set()), Promise()) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (replace(GOOD, slowest_post=5.6), "a post took 5.6 s"),
        (replace(GOOD, slowest_read=5.6), "a read took 5.6 s"),
        (replace(GOOD, crowd={200: 5, 0: 1}), "1 posts were answered not at all"),
        (replace(GOOD, crowd={200: 5, 500: 4}), "4 posts were answered 500"),
        (replace(GOOD, reads=Counter({200: 5, 502: 2})), "2 reads were answered 502"),
        (replace(GOOD, named=GOOD.named - {"/readyz health: broker"}), "/readyz health: broker was not named"),
        (replace(GOOD, grown={"alerts": 101.0}), "alerts grew by 101 MB"),
        (replace(GOOD, ingest_back=5.1), "the first post was acknowledged after 5.1 s"),
        (replace(GOOD, consumers_back={"health": 5.1}), "health read on after 5.1 s"),
        (replace(GOOD, ended={"health": (10.1, 0)}), "health ended after 10.1 s with 0"),
        (replace(GOOD, ended={"health": (3.0, -9)}), "health ended after 3.0 s with -9"),
        (replace(GOOD, lost=["health: e1"]), "1 lost, e.g. health: e1"),
    ],
)
def test_whatever_was_not_kept_is_said(seen: Watched, said: str) -> None:
    assert broken(seen, Promise()) == [said]


async def test_an_answer_that_never_comes_counts_for_as_long_as_it_was_waited_for() -> None:
    seen = Watched("broker frozen", 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await timed(asyncio.Event().wait(), seen)
    assert seen.slowest_read >= 0.2
