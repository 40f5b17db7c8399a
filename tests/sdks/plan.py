"""Owns what each SDK is told to send, and what of it must be counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass

EVENTS = ("Report Exported", "Dashboard Viewed", "Rule Created", "User Invited")


@dataclass(frozen=True, slots=True)
class Calls:
    """One SDK's calls: `tracks` spread over `people` and `events`; before them each of the people is identified, joins
    the account by a group call and sees a page. `address` is the SDK's own name for the setting that takes the URL.
    """

    account: str
    address: str = ""
    tracks: int = 1000
    people: int = 10
    events: tuple[str, ...] = EVENTS

    @property
    def usage(self) -> Counter[str]:
        """What must be counted, by event: tracks and pages are usage, the others are not."""
        spread = Counter(self.events[number % len(self.events)] for number in range(self.tracks))
        return spread + Counter(page_viewed=self.people)

    @property
    def total(self) -> int:
        """How many calls are made in all."""
        return self.tracks + 3 * self.people

    def json(self) -> str:
        """Write them for a driver."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK: its package as people know it, the module to import, where it runs (`python` or `node`)."""

    package: str
    module: str
    runtime: str
    calls: Calls


SDKS = (
    Sdk("segment-analytics-python", "segment.analytics", "python", Calls("segment-python", "host")),
    Sdk("rudder-sdk-python", "rudderstack.analytics", "python", Calls("rudder-python", "dataPlaneUrl")),
    Sdk("@segment/analytics-node", "@segment/analytics-node", "node", Calls("segment-node")),
    Sdk("@rudderstack/rudder-sdk-node", "@rudderstack/rudder-sdk-node", "node", Calls("rudder-node")),
)
