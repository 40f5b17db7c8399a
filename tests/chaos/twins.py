"""Plays each directed scene with the honest service and with its sabotaged twin, and judges both alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tests.chaos.feeding import Sender
from tests.chaos.judge import Verdict, judge
from tests.chaos.model import Model
from tests.chaos.reading import ends_now, read
from tests.chaos.rest import Postbox, rest
from tests.chaos.scenes import (
    Stage,
    killed_before_the_effect,
    killed_while_sending,
    killed_without_a_broker,
    overtaken_in_the_outbox,
    sent_again,
    woken_too_late,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.chaos.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Twin:
    """One sabotage: `service` is started `count` times from the module of this name, and must fail in `scene`.

    `patience` is how long a twin may take to come to rest; honest services have all the time.
    """

    name: str
    service: str
    scene: Callable[[Stage], Awaitable[None]]
    count: int = 1
    patience: float = 60.0


ATTEMPTS: Final = 3  # a rebalance in the midst of a scene makes good what the twin did wrong
TWINS: Final = (
    Twin("commit_before_effect", "health", killed_before_the_effect),
    Twin("no_inbox", "health", sent_again),
    Twin("no_epoch_check", "health", woken_too_late, count=2),
    # what it has overtaken it never sends; the scene itself has waited until it had sent later rows
    Twin("outbox_by_cursor", "health", overtaken_in_the_outbox, patience=5.0),
    Twin("acknowledge_before_broker", "ingest", killed_without_a_broker),
    Twin("sent_before_sending", "alerts", killed_while_sending),
)


async def honest(cluster: Cluster, say: Callable[[str], None]) -> dict[str, Verdict]:
    """Play every scene with the services as they are."""
    found = {}
    for number, twin in enumerate(TWINS):
        try:
            found[twin.name] = await _play(Stage(cluster, _sender(cluster), f"h{number}x"), twin)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other scenes are still of interest
            found[twin.name] = Verdict(lost=[f"the scene failed: {error!r}"])
        say(f"{_words(twin):<28}  honest  {_said(found[twin.name])}")
    return found


async def sabotaged(cluster: Cluster, say: Callable[[str], None]) -> dict[str, Verdict]:
    """Play every scene with its twin; the honest service comes back when the next twin is another service's."""
    found: dict[str, Verdict] = {}
    for number, (former, twin) in enumerate(pairwise((None, *TWINS))):
        assert twin is not None
        if former and former.service != twin.service:
            cluster.swap(former.service, 1)
        cluster.swap(twin.service, twin.count, f"tests.chaos.sabotage.{twin.name}")
        for attempt in range(ATTEMPTS):
            found[twin.name] = await _unmasked(cluster, twin, f"t{number}x{attempt}x", say)
            say(f"{_words(twin):<28}  twin    {_said(found[twin.name])}")
            if any(found[twin.name].counts.values()):
                break
    return found


async def _unmasked(cluster: Cluster, twin: Twin, name: str, say: Callable[[str], None]) -> Verdict:
    try:
        await cluster.all_ready()
        return await _play(Stage(cluster, _sender(cluster), name), twin, twin.patience)
    except Exception as error:  # noqa: BLE001 - a scene that fails has caught nobody
        say(f"the scene failed: {error!r}")
        return Verdict()


async def _play(stage: Stage, twin: Twin, patience: float | None = None) -> Verdict:
    cluster = stage.cluster
    await cluster.sql("delete from chaos.went_back")
    since = await ends_now(cluster)
    try:
        await twin.scene(stage)
        await cluster.all_ready()
        left = await (rest(cluster) if patience is None else rest(cluster, patience))
    finally:
        await stage.sender.close()
    model = Model.of(stage.sender.acknowledged)
    verdict = judge(model, await read(cluster, model.accounts, await Postbox(cluster).empty(), since))
    if left:
        verdict.lost.append(f"it never came to rest: {left}")
    return verdict


def _sender(cluster: Cluster) -> Sender:
    return Sender(cluster.url("ingest"), cluster.key)


def _words(twin: Twin) -> str:
    return twin.name.replace("_", " ")


def _said(verdict: Verdict) -> str:
    wrong = ", ".join(f"{name} {n}" for name, n in verdict.counts.items() if n)
    return f"{wrong}: {verdict.examples(1)[0]}" if wrong else "nothing wrong"
