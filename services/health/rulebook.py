"""All that health decides by: definitions, measures, gates and detectors, found and checked once at start-up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from services.health import definitions
from services.health.definition import Definition
from services.health.detector import Detector
from services.health.gates import GATES
from services.health.judge import detectors
from services.health.measure import Measure
from shared.errors import BadRequest
from shared.plugins import discover

MEASURES = "services.health.measures"


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The definitions by name, with the plug-ins that they give weights and numbers to."""

    definitions: Mapping[str, Definition]
    measures: tuple[Measure, ...]
    detectors: tuple[Detector, ...]

    @classmethod
    def read(cls) -> Self:
        """Find everything.

        Raises:
            ValueError: a definition is not valid; the message names the line to mend.

        """
        measures: tuple[Measure, ...] = discover(MEASURES)
        found = definitions.load([each.name for each in measures], GATES)
        used = [detectors(each.signals) for each in found.values()]
        return cls(found, measures, used[0])

    @property
    def standard(self) -> Definition:
        """The definition that is meant when none is named."""
        return self.definitions[definitions.DEFAULT]

    def definition(self, name: str | None) -> Definition:
        """Return the definition that a caller named. Raises BadRequest for one that does not exist."""
        if name is None:
            return self.standard
        if name not in self.definitions:
            raise BadRequest(f"There is no definition {name[:50]!r}. Known definitions: {', '.join(self.definitions)}.")
        return self.definitions[name]

    def measure(self, name: str) -> Measure:
        """Return the measure that a caller named. Raises BadRequest for one that does not exist."""
        found = {each.name: each for each in self.measures}
        if name not in found:
            raise BadRequest(f"There is no measure {name[:50]!r}. Known measures: {', '.join(found)}.")
        return found[name]
