"""What the owners have heard so far: alerts as the service tells of them, messages as they arrived in the inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.client import service

if TYPE_CHECKING:
    from cli.demo.plot import Scene


def delivered(scene: Scene) -> dict[str, Any] | None:
    """Return the scene's alert once all its messages are sent."""
    found = [alert for alert in alerts_of(scene.account) if alert["signal"] == scene.signal and not alert["historical"]]
    return next((alert for alert in found if sent(alert)), None)


def sent(alert: dict[str, Any]) -> bool:
    """Whether an alert has messages and all of them are out."""
    return bool(alert["deliveries"]) and all(delivery["state"] == "sent" for delivery in alert["deliveries"])


def alerts_of(account: str) -> list[dict[str, Any]]:
    """Return the alerts of an account."""
    return list(service("alerts").items("/v1/alerts", account=account))


def messages_to(account: str, channel: str | None = None) -> list[dict[str, Any]]:
    """Return what arrived in the inbox about an account."""
    found: list[dict[str, Any]] = service("inbox").get("/messages", account=account, channel=channel)["items"]
    return found


def latest(account: str, channel: str) -> dict[str, Any] | None:
    """Return the last message about an account that arrived over a channel."""
    return next(reversed(messages_to(account, channel)), None)
