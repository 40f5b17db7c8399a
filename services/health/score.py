"""From facts to a score at one moment: points, weights, contributions, gates. Pure.

With points s, weights w (after ageing) and W their sum over what is known: score H = 50 + sum of c + gate, where
contribution c = w / W x (s - 50) and gate = min(0, cap - H). Lever = (100 - s) x w / W is what
the best reading would add.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.health.definition import Definition, Weighed
from services.health.facts import AccountFacts
from services.health.gates import GATES, Closed
from services.health.measure import Measure, Reading

MIDDLE = 50.0
DECIMALS = 1
FINE_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Component:
    """One measure's part in the score. `weight` is after ageing; `contribution` and `lever` are points of the score."""

    measure: Measure
    reading: Reading
    points: float
    weight: float
    contribution: float
    lever: float


@dataclass(frozen=True, slots=True)
class GateTerm:
    """A gate that is closed: what it caps at, and by how many points it lowers this score (0 or less)."""

    closed: Closed
    cap: float
    effect: float


@dataclass(frozen=True, slots=True)
class Score:
    """Health at one moment. `value` (0 to 100, one decimal) is None where less than the least coverage is known."""

    value: float | None
    coverage: float
    components: tuple[Component, ...]
    gates: tuple[GateTerm, ...]
    missing: tuple[Measure, ...]

    @property
    def biggest_lever(self) -> Component | None:
        """The component that could add most; of equals the first by name."""
        return max(self.components, key=lambda component: component.lever, default=None)


def score(facts: AccountFacts, as_of: datetime, definition: Definition, measures: Sequence[Measure]) -> Score:
    """Compute health as of a moment from what the facts say had happened by then."""
    view = facts.at(as_of)
    used = sorted((each for each in measures if each.name in definition.measures), key=lambda each: each.name)
    readings = [(each, each.read(view, as_of)) for each in used]
    known = [(each, reading, _weight(definition.measures[each.name], reading)) for each, reading in readings if reading]
    known = [entry for entry in known if entry[2] > 0]
    total = sum(weight for _, _, weight in known)
    full = sum(weighed.weight for weighed in definition.measures.values())
    components = tuple(_component(entry, total, definition.measures) for entry in known)
    coverage = round(total / full, FINE_DECIMALS)
    ungated = MIDDLE + sum(component.contribution for component in components)
    gates = _gates(view, as_of, definition, ungated)
    named = {component.measure.name for component in components}
    missing = tuple(each for each in used if each.name not in named)
    if coverage < definition.coverage.least:
        return Score(None, coverage, components, gates, missing)
    value = ungated + sum(term.effect for term in gates)
    return Score(round(min(100.0, max(0.0, value)), DECIMALS), coverage, components, gates, missing)


def _weight(weighed: Weighed, reading: Reading) -> float:
    return weighed.weight * weighed.freshness.share(reading.age_days)


def _component(entry: tuple[Measure, Reading, float], total: float, definition: Mapping[str, Weighed]) -> Component:
    measure, reading, weight = entry
    points = definition[measure.name].curve.points(reading.value)
    share = weight / total
    return Component(measure, reading, points, weight, share * (points - MIDDLE), share * (100 - points))


def _gates(view: AccountFacts, as_of: datetime, definition: Definition, ungated: float) -> tuple[GateTerm, ...]:
    """Return the closed gates, the lowest cap first; only that one has an effect, since it meets the others."""
    closed = [
        (gate.cap, found)
        for name, gate in sorted(definition.gates.items())
        if (found := GATES[name](view, as_of, definition)) is not None
    ]
    closed.sort(key=lambda entry: (entry[0], entry[1].name))
    effects = [min(0.0, cap - ungated) if place == 0 else 0.0 for place, (cap, _) in enumerate(closed)]
    return tuple(GateTerm(found, cap, effect) for (cap, found), effect in zip(closed, effects, strict=True))
