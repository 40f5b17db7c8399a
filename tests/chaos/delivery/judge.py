"""What a delivery promises: delivered or visibly dead, and repeated only where nobody could know, saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK: Final = "This may repeat an earlier message"

Item = dict[str, Any]


def broken(deliveries: Sequence[Item], messages: Sequence[Item], unclear: Mapping[str, int]) -> list[str]:
    """Return what is wrong. `unclear` says how many answers of a channel left it open whether a message was taken."""
    came: dict[str, list[Item]] = {each["id"]: [] for each in deliveries}
    strangers: list[Item] = []
    for each in messages:
        came.get(delivery_of(each), strangers).append(each)
    found = [f"{len(strangers)} messages belong to no delivery"] if strangers else []
    for each in deliveries:
        found += [f"{each['channel']} {what}" for what in _broken(each, came[each["id"]])]
    for channel in {each["channel"] for each in deliveries}:
        again = sum(max(len(came[each["id"]]) - 1, 0) for each in deliveries if each["channel"] == channel)
        if again > unclear.get(channel, 0):
            found.append(f"{channel}: {again} came again, where {unclear.get(channel, 0)} answers were unclear")
    return found if deliveries else ["there is no delivery"]


def _broken(delivery: Item, came: Sequence[Item]) -> list[str]:
    state, found = delivery["state"], []
    if state == "sent" and not came:
        found.append("is said to be sent, and nothing came")
    if state == "dead" and not delivery["reason"]:
        found.append("is dead without a reason")
    if state not in {"sent", "dead"}:
        found.append(f"is {state}: neither delivered nor dead")
    if any(MARK not in str(each) for each in came[1:]):
        found.append("came again without saying so")
    if came and MARK in str(came[0]) and not delivery["repeated"]:
        found.append("says that it may repeat, and does not")
    return found


def delivery_of(message: Item) -> str:
    """Return which delivery a message belongs to."""
    if message["channel"] == "slack":
        return str(message["metadata"]["event_payload"]["delivery_id"])
    return str(message["headers"]["Message-ID"]).strip("<>").partition("@")[0]


def told(deliveries: Sequence[Item], messages: Sequence[Item]) -> str:
    """Say in a few words how a case ended."""
    ends = sorted(f"{each['channel']}/{each['tier']} {each['state']}" for each in deliveries)
    marked = sum(MARK in str(each) for each in messages)
    return f"{', '.join(ends)}; {len(messages)} came, {marked} marked"
