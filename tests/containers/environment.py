"""Checks what processes are told: every variable is a setting of theirs, and every setting that they need is given."""

from __future__ import annotations

import os
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from services.alerts.settings import Settings as Alerts
from services.health.settings import Settings as Health
from services.ingest.settings import Settings as Ingest
from services.revenue.settings import Settings as Revenue
from shared.database_roles import SERVICES, password_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.settings import ServiceSettings

_SETTINGS: Final[dict[str, type[ServiceSettings]]] = {
    "services.ingest": Ingest,
    "services.health": Health,
    "services.revenue": Revenue,
    "services.alerts": Alerts,
}
_PASSWORDS: Final = frozenset(map(password_variable, SERVICES))
_JOBS: Final = {  # what must be given, and what may
    "shared.migrate": (frozenset({"DATABASE_URL"}) | _PASSWORDS, frozenset[str]()),
    "deploy.jobs.topics": (
        frozenset({"KAFKA_BOOTSTRAP_SERVERS"}),
        frozenset({"KIZUNA_PARTITIONS", "KIZUNA_TOPIC_PREFIX"}),
    ),
    "deploy.jobs.secrets": (frozenset[str](), frozenset[str]()),
    "cli": (frozenset[str](), frozenset[str]()),
}
_FROM_FILE: Final = "_FILE"
_ANY_SECRET: Final = "stands for whatever the file holds"


def settings_of(module: str) -> frozenset[str]:
    """Return the variables that a service reads itself, without those that name files."""
    settings = _SETTINGS[module]
    prefix = str(settings.model_config.get("env_prefix", ""))
    return frozenset(
        str(field.validation_alias or f"{prefix}{name.upper()}") for name, field in settings.model_fields.items()
    )


def wrong(module: str, given: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the environment of `python -m <module>`."""
    if module in _SETTINGS:
        return _unknown(given, settings_of(module)) + _missing_settings(module, given)
    if module not in _JOBS:
        return [f"nobody knows what {module} is told"]
    must, may = _JOBS[module]
    names = {name.removesuffix(_FROM_FILE) for name in given}
    return _unknown(given, must | may) + [f"{name} is missing" for name in sorted(must - names)]


def _unknown(given: Mapping[str, str], known: frozenset[str]) -> list[str]:
    return [
        f"{name} is no setting" for name in given if name not in known and name.removesuffix(_FROM_FILE) not in known
    ]


def _missing_settings(module: str, given: Mapping[str, str]) -> list[str]:
    """Load the settings as the service would, with a file in the place of each that it would read."""
    with NamedTemporaryFile("w") as file:
        file.write(_ANY_SECRET)
        file.flush()
        seen = {name: file.name if name.endswith(_FROM_FILE) else value for name, value in given.items()}
        with patch.dict(os.environ, seen, clear=True):
            try:
                _SETTINGS[module].load()
            except SystemExit as error:
                return str(error).splitlines()[1:]
    return []
