"""A group that is not formed is asked about now and then, whatever the broker answers."""

import asyncio
from collections.abc import Callable

import pytest

from shared import membership
from shared.cluster import Cluster
from shared.kafka import BrokerError
from shared.membership import Membership


@pytest.mark.parametrize("answer", [lambda: True, lambda: False, None])
async def test_a_stuck_group_is_asked_about_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], bool] | None
) -> None:
    asked: list[str] = []

    async def forget(_: Cluster, group: str) -> bool:
        asked.append(group)
        if answer is None:
            raise BrokerError("away")
        return answer()

    monkeypatch.setattr(membership, "forget_group", forget)
    monkeypatch.setattr(membership, "ASK_AGAIN_SECONDS", 0.2)
    place = Membership(Cluster("127.0.0.1:1"), "health")
    for _ in range(5):
        place.unstick()
        await asyncio.sleep(0.01)
    assert asked == ["health"]
    await asyncio.sleep(0.3)
    place.unstick()
    await asyncio.sleep(0.01)
    assert asked == ["health"] * 2
    await asyncio.sleep(0.3)
