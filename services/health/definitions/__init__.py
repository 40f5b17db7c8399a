"""The definitions of health: YAML files, one a version, read and checked once at start-up."""

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from services.health.definition import Definition, check

DEFAULT = "standard-1"


def load(measures: Collection[str], gates: Collection[str]) -> Mapping[str, Definition]:
    """Return every definition by name.

    Raises:
        ValueError: a file is not a valid definition, or names a measure or gate that does not exist.

    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        try:
            definition = msgspec.yaml.decode(path.read_bytes(), type=Definition)
        except msgspec.MsgspecError as error:
            raise ValueError(f"definition {path.name}: {error}") from error
        if definition.name != path.stem:
            raise ValueError(f"definition {path.name} calls itself {definition.name!r}; name and file must agree")
        check(definition, measures, gates)
        found[definition.name] = definition
    return found
