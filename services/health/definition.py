"""The shape of a definition of health, and what makes one valid. Reading the files is `definitions/`'s work."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

MOST_POINTS: Final = 100


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that earn 0, 50 and 100 points; their order says whether more is better."""

    poor: float
    ok: float
    good: float

    def points(self, value: float) -> float:
        """Return 0 to 100: straight lines through the three points, clamped outside."""
        low, middle, high = (
            (self.poor, self.ok, self.good) if self.good > self.poor else (-self.poor, -self.ok, -self.good)
        )
        x = value if self.good > self.poor else -value
        if x <= middle:
            return 50 * min(1.0, max(0.0, (x - low) / (middle - low)))
        return 50 + 50 * min(1.0, (x - middle) / (high - middle))


class Freshness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In days: full weight up to `fresh`, halved every `half` after it, none beyond `expire`."""

    fresh: float
    half: float
    expire: float

    def share(self, age: float) -> float:
        """Return the share of its weight that a reading of that age has: 2^(-max(0, age - fresh) / half)."""
        return 0.0 if age > self.expire else float(2 ** (-max(0.0, age - self.fresh) / self.half))


class Weighed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a measure counts."""

    weight: float
    curve: Curve
    freshness: Freshness


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The score a fact caps at, and for how many days."""

    cap: float
    days: int


class Bands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lower borders of the three bands above `critical`."""

    at_risk: float
    watch: float
    healthy: float


class Hysteresis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points beyond a border that count, and the midnights in which they are looked for."""

    margin: float
    window_days: int


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of the weight that must be known for a score, and for a sure one."""

    least: float
    sure: float


class TrendRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a score counts as moving: `change` points over `days`, with the same sign over `confirm_days`."""

    days: int
    confirm_days: int
    change: float


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named, versioned meaning of health. `title` by language; `signals` are the detectors' numbers, by detector."""

    name: str
    title: Mapping[str, str]
    measures: Mapping[str, Weighed]
    gates: Mapping[str, Gate]
    bands: Bands
    hysteresis: Hysteresis
    coverage: Coverage
    trend: TrendRule
    signals: Mapping[str, Mapping[str, Any]] = {}


def check(definition: Definition, measures: Collection[str], gates: Collection[str]) -> None:
    """Raise ValueError, naming the line to mend, when a definition names what does not exist or cannot be scored."""
    where = f"definition {definition.name}"
    if unknown := sorted({*definition.measures} - {*measures}):
        raise ValueError(f"{where}: no measure is called {unknown}; there are {sorted(measures)}")
    if unknown := sorted({*definition.gates} - {*gates}):
        raise ValueError(f"{where}: no gate is called {unknown}; there are {sorted(gates)}")
    for name, weighed in definition.measures.items():
        curve = (weighed.curve.poor, weighed.curve.ok, weighed.curve.good)
        if weighed.weight < 0:
            raise ValueError(f"{where}: {name}.weight is negative")
        if not (curve[0] < curve[1] < curve[2] or curve[0] > curve[1] > curve[2]):
            raise ValueError(f"{where}: {name}.curve must rise or fall strictly from poor over ok to good")
        if weighed.freshness.half <= 0:
            raise ValueError(f"{where}: {name}.freshness.half must be above 0")
    if not sum(weighed.weight for weighed in definition.measures.values()) > 0:
        raise ValueError(f"{where}: the weights add up to nothing")
    if not 0 < definition.bands.at_risk < definition.bands.watch < definition.bands.healthy < MOST_POINTS:
        raise ValueError(f"{where}: bands must rise from at_risk over watch to healthy, between 0 and 100")
