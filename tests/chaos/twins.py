"""Plays each directed scene with the honest service and with its sabotaged twin, and judges both alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tests.chaos.feeding import Sender
from tests.chaos.judge import UNREST, Verdict, judge
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

    What gives it away is a finding under `heading` with these `words`. Whatever else is found proves nothing, and
    neither does anything about one that has not come to rest, since it may only be slow; but for work of which the name
    begins with `stays`: that it never does.
    """

    name: str
    service: str
    scene: Callable[[Stage], Awaitable[None]]
    heading: str
    words: str
    count: int = 1
    stays: str = ""

    def betrayed(self, verdict: Verdict) -> str:
        """Return what gives it away, or ""."""
        left = [each.removeprefix(UNREST).split(", ") for each in verdict.lost if each.startswith(UNREST)]
        if any(not self.stays or not what.startswith(self.stays) for each in left for what in each):
            return ""
        found = (each for each in getattr(verdict, self.heading) if self.words in each)
        return next((f"{self.heading}: {each}" for each in found), "")


ATTEMPTS: Final = 3  # a rebalance in the midst of a scene makes good what the twin did wrong
TWINS: Final = (
    Twin("commit_before_effect", "health", killed_before_the_effect, "lost", "not at all"),
    Twin("no_inbox", "health", sent_again, "twice", "health counted"),
    Twin("no_epoch_check", "health", woken_too_late, "out_of_order", "went back to", count=2),
    Twin(
        *("outbox_by_cursor", "health", overtaken_in_the_outbox, "signals_missing", "nothing on signals.v1"),
        stays="health outbox",
    ),
    Twin("acknowledge_before_broker", "ingest", killed_without_a_broker, "lost", " has no "),
    Twin("sent_before_sending", "alerts", killed_while_sending, "signals_missing", "no message by slack"),
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


async def sabotaged(cluster: Cluster, say: Callable[[str], None]) -> dict[str, str]:
    """Play every scene with its twin; return what gave each away. The honest service comes back before another's."""
    found: dict[str, str] = {}
    for number, (former, twin) in enumerate(pairwise((None, *TWINS))):
        assert twin is not None
        if former and former.service != twin.service:
            cluster.swap(former.service, 1)
        cluster.swap(twin.service, twin.count, f"tests.chaos.sabotage.{twin.name}")
        for attempt in range(ATTEMPTS):
            verdict = await _unmasked(cluster, twin, f"t{number}x{attempt}x", say)
            found[twin.name] = twin.betrayed(verdict)
            say(f"{_words(twin):<28}  twin    {found[twin.name] or f'not caught: {_said(verdict)}'}")
            if found[twin.name]:
                break
    return found


async def _unmasked(cluster: Cluster, twin: Twin, name: str, say: Callable[[str], None]) -> Verdict:
    try:
        await cluster.all_ready()
        return await _play(Stage(cluster, _sender(cluster), name), twin)
    except Exception as error:  # noqa: BLE001 - a scene that fails has caught nobody
        say(f"the scene failed: {error!r}")
        return Verdict()


async def _play(stage: Stage, twin: Twin) -> Verdict:
    cluster = stage.cluster
    await cluster.sql("delete from chaos.went_back")
    since = await ends_now(cluster)
    try:
        await twin.scene(stage)
        await cluster.all_ready()
        left = await rest(cluster)
    finally:
        await stage.sender.close()
    model = Model.of(stage.sender.acknowledged)
    return judge(model, await read(cluster, model.accounts, await Postbox(cluster).empty(), since), left)


def _sender(cluster: Cluster) -> Sender:
    return Sender(cluster.url("ingest"), cluster.key)


def _words(twin: Twin) -> str:
    return twin.name.replace("_", " ")


def _said(verdict: Verdict) -> str:
    wrong = ", ".join(f"{name} {n}" for name, n in verdict.counts.items() if n)
    return f"{wrong}: {verdict.examples(1)[0]}" if wrong else "nothing wrong"
