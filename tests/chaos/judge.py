"""Compares what was found with what must be. A finding is a sentence under one of five headings; none: all is well."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.delivery.judge import broken
from tests.chaos.model import number
from tests.chaos.reading import IN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.chaos.delivery.judge import Item
    from tests.chaos.model import Model
    from tests.chaos.reading import Found

CHANNELS: Final = ("slack", "email")
UNREST: Final = "it never came to rest: "


@dataclass(slots=True)
class Verdict:
    """What is wrong, in words."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    signals_missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How much is wrong, by heading."""
        return {name: len(getattr(self, name)) for name in self.__slots__}

    @property
    def spotless(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts.values())

    def examples(self, most: int = 3) -> list[str]:
        """Return some findings of every heading."""
        return [f"{name}: {said}" for name in self.__slots__ for said in getattr(self, name)[:most]]


def judge(model: Model, found: Found, left: str = "") -> Verdict:
    """Say what is wrong with what was found, when this was `left` to do."""
    verdict = Verdict(lost=[UNREST + left] if left else [])
    _usage(model, found, verdict)
    _facts(model, found, verdict)
    _ledger(model, found, verdict)
    _incoming(model, found, verdict)
    _outgoing(model, found, verdict)
    _signals(model, found, verdict)
    verdict.out_of_order += found.went_back
    return verdict


def _usage(model: Model, found: Found, verdict: Verdict) -> None:
    """Each usage event counts once in the deltas, and their sums are those of the days and of the API."""
    for place, quantity in model.usage().items():
        calls, sum_ = found.usage.get(place, (0, 0))
        if calls == 0:
            verdict.lost.append(f"health counted {place} not at all")
        elif calls > 1 or sum_ != quantity:
            verdict.twice.append(f"health counted {place} {calls} times, {sum_} instead of {quantity}")
    for day, wanted in model.days().items():
        _amount(f"usage_day {day}", wanted, found.days.get(day, (0, 0)), verdict)
    totals = Counter[str]()
    for (account, _), quantity in model.usage().items():
        totals[account] += quantity
    for account, total in totals.items():
        _amount(f"GET usage of {account}", (total,), (found.totals[account],), verdict)


def _amount(what: str, wanted: tuple[int, ...], there: tuple[int, ...], verdict: Verdict) -> None:
    if there < wanted:
        verdict.lost.append(f"{what}: {there} instead of {wanted}")
    elif there > wanted:
        verdict.twice.append(f"{what}: {there} instead of {wanted}")


def _facts(model: Model, found: Found, verdict: Verdict) -> None:
    """Whatever a service keeps is there once, and no id was claimed twice."""
    for service, ids in found.kept.items():
        times = Counter(ids)
        wanted = model.kept_by(service)
        verdict.lost += [f"{service} has not kept {each}" for each in sorted(wanted - times.keys())]
        verdict.twice += [f"{service} keeps {each} {times[each]} times" for each in wanted if times[each] > 1]
    verdict.twice += [f"{service}: {n} ids claimed twice" for service, n in found.claimed_twice.items() if n]


def _ledger(model: Model, found: Found, verdict: Verdict) -> None:
    """The ledger of an account adds up to what its last snapshot says."""
    for account, prices in model.prices().items():
        there = found.ledgers[account]
        if there == prices[-1]:
            continue
        former = there in prices
        (verdict.out_of_order if former else verdict.twice if there > prices[-1] else verdict.lost).append(
            f"ledger of {account} adds up to {there} instead of {prices[-1]}"
        )


def _incoming(model: Model, found: Found, verdict: Verdict) -> None:
    """The log has every acknowledged event, and each account's in the order in which they were sent."""
    for topic in IN:
        for account, wanted in model.in_topic(topic).items():
            numbers = [number(event) for event in _once(found.topics[topic].get(account, ()))]
            there = set(numbers)
            verdict.lost += [f"{topic} has no {account}.{each:06d}" for each in wanted if each not in there]
            if numbers != sorted(numbers):
                verdict.out_of_order.append(f"{topic} of {account}: {_break(numbers)}")


def _outgoing(model: Model, found: Found, verdict: Verdict) -> None:
    """Each change of score begins where the one before it ended, prices rise, whatever ends has begun before."""
    prices = model.revenue()
    for account in model.accounts:
        changes = [each["data"] for each in _once(found.topics["health.v1"].get(account, ()))]
        for before, after in pairwise(changes):
            if (before["score"], before["band"]) != (after.get("previous_score"), after.get("previous_band")):
                verdict.out_of_order.append(f"health.v1 of {account}: {before['score']} before {after}")
        if len(changes) != found.sequences.get(account, 0):
            wanted = found.sequences.get(account, 0)
            verdict.lost.append(f"health.v1 of {account}: {len(changes)} changes instead of {wanted}")
        booked = [float(e["data"]["mrr_after"]) for e in _once(found.topics["revenue.v1"].get(account, ()))]
        if booked != sorted(booked):
            verdict.out_of_order.append(f"revenue.v1 of {account}: {_break(booked)}")
        if account in prices and booked[-1:] != [prices[account]]:
            verdict.lost.append(f"revenue.v1 of {account} ends with {booked[-1:]} instead of {prices[account]}")
        for topic, first in (("signals.v1", "opened"), ("alerts.v1", "raised")):
            told = _once(found.topics[topic].get(account, ()))
            if told and not told[0]["type"].endswith(first):
                verdict.out_of_order.append(f"{topic} of {account} begins with {told[0]['type']}")


def _signals(model: Model, found: Found, verdict: Verdict) -> None:
    """One alert for each champion who left, told on each channel, and again only where nobody could know."""
    for account in model.left():
        alerts = [each for each in found.alerts[account] if each["signal"] == "champion_left"]
        topics = [topic for topic in ("signals.v1", "alerts.v1") if not found.topics[topic].get(account)]
        verdict.signals_missing += [f"{account}: nothing on {topic}" for topic in topics]
        if not alerts:
            verdict.signals_missing.append(f"{account}: no alert")
        verdict.doubled += [f"{account}: {len(alerts)} alerts"] if len(alerts) > 1 else []
        states = Counter(each["state"] for alert in alerts for each in alert["deliveries"])
        if states.keys() - {"sent"}:
            verdict.signals_missing.append(f"{account}: deliveries are {dict(states)}")
        deliveries = [each for alert in found.alerts[account] for each in alert["deliveries"]]
        _told(account, deliveries, found.messages.get(account, ()), verdict)
    for account in set(found.messages) & set(model.accounts) - set(model.left()):
        verdict.doubled.append(f"{account}: a message without a reason: {found.messages[account][0]['text'][:80]}")


def _told(account: str, deliveries: Sequence[Item], messages: Sequence[Item], verdict: Verdict) -> None:
    """Slack can be asked what it has taken, so once is all. Each attempt but the last may have brought a mail."""
    unclear = Counter[str]()
    for each in deliveries:
        if each["channel"] == "email" and each["repeated"]:
            unclear["email"] += each["attempts"] - 1
    for channel in CHANNELS:
        came = sum(each["channel"] == channel for each in messages)
        if not came:
            verdict.signals_missing.append(f"{account}: no message by {channel}")
        if came > 1 + unclear[channel]:
            verdict.doubled.append(f"{account}: {came} messages by {channel}, {unclear[channel]} answers were unclear")
    in_order = sorted(messages, key=lambda each: str(each["received_at"]))
    verdict.doubled += [f"{account}: {what}" for what in broken(deliveries, in_order, unclear)]


def _once(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events without their repetitions: what a reader that knows ids sees."""
    return list({event["id"]: event for event in events}.values())


def _break(values: Sequence[float]) -> str:
    at = next(n for n, (a, b) in enumerate(pairwise(values)) if a > b)
    return f"{values[at]} before {values[at + 1]}"
