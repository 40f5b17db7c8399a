"""Runs the detectors over one account's facts: what holds at a moment, and when to look again. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.health.detector import Context, Detector, Finding
from services.health.facts import AccountFacts
from shared.plugins import discover

PACKAGE = "services.health.signals"


def detectors(rules: Mapping[str, Mapping[str, Any]]) -> tuple[Detector, ...]:
    """Return the detectors there are, after checking that a definition's `signals` sections fit them.

    Raises:
        ValueError: a section or number is missing, or belongs to no detector.

    """
    found: tuple[Detector, ...] = discover(PACKAGE)
    if unknown := sorted(set(rules) - {each.name for each in found}):
        raise ValueError(f"signals: no detector is called {unknown}; there are {[each.name for each in found]}")
    for detector in found:
        try:
            msgspec.convert(rules.get(detector.name, {}), detector.rule)
        except msgspec.ValidationError as error:
            raise ValueError(f"signals.{detector.name}: {error}") from error
    return found


def findings(facts: AccountFacts, context: Context, used: Sequence[Detector]) -> tuple[Finding, ...]:
    """Return every risk that holds at `context.as_of`, by signal and subject; nothing later than it is looked at."""
    view = facts.at(context.as_of)
    found = [finding for detector in used for finding in detector.detect(view, context)]
    return tuple(sorted(found, key=lambda each: (each.signal, each.subject_id)))


def next_look(facts: AccountFacts, context: Context, used: Sequence[Detector]) -> datetime | None:
    """Return the earliest moment after `context.as_of` at which time alone may change what is found."""
    view = facts.at(context.as_of)
    looks = (detector.next_look(view, context) for detector in used)
    return min((look for look in looks if look is not None and look > context.as_of), default=None)
