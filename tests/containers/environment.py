"""Checks what processes are told: every variable is a setting of theirs, and every setting that they need is given."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from unittest.mock import patch
from urllib.parse import urlsplit

from services.alerts.settings import Settings as Alerts
from services.health.settings import Settings as Health
from services.ingest.settings import Settings as Ingest
from services.revenue.settings import Settings as Revenue
from shared.archive.settings import Settings as Archive
from shared.cluster import Cluster
from shared.database_roles import SERVICES, password_variable
from shared.rebuilding import STORE, WORD
from shared.settings import KAFKA, cluster_of
from tests.plugins.certificates import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from shared.settings import ProcessSettings

_SETTINGS: Final[dict[str, type[ProcessSettings]]] = {
    "services.ingest": Ingest,
    "services.health": Health,
    "services.revenue": Revenue,
    "services.alerts": Alerts,
    "shared.archive": Archive,
}
_PROVIDERS: Final = {"s3": frozenset({"AWS_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"})}
"""What lets a process into a store, where no key does."""
_OF_PROVIDERS: Final = {"s3": frozenset({"AWS_CHECKSUM_ALGORITHM"})}
"""What else a store's own client may be told."""
_BROKER: Final = frozenset(f"{KAFKA}{each.name.upper()}" for each in fields(Cluster))
_PASSWORDS: Final = frozenset(map(password_variable, SERVICES))
_JOBS: Final = {  # what must be given, and what may
    "shared.migrate": (frozenset({"DATABASE_URL"}) | _PASSWORDS, frozenset[str]()),
    "deploy.jobs.topics": (
        frozenset({"KAFKA_BOOTSTRAP_SERVERS"}),
        _BROKER | {"KIZUNA_PARTITIONS", "KIZUNA_TOPIC_PREFIX"},
    ),
    "deploy.jobs.secrets": (frozenset[str](), frozenset[str]()),
    "cli": (frozenset[str](), frozenset[str]()),
}
_ONE: Final = "--service"
_FROM_FILE: Final = "_FILE"
_AUTHORITIES: Final = "_CAFILE"
_ANY_SECRET: Final = "stands for whatever the file holds"


def settings_of(module: str) -> frozenset[str]:
    """Return the variables that a service reads itself, without those that name files."""
    settings = _SETTINGS[module]
    prefix = str(settings.model_config.get("env_prefix", ""))
    own = {str(field.validation_alias or f"{prefix}{name.upper()}") for name, field in settings.model_fields.items()}
    return _BROKER | own - {f"{prefix}KAFKA"}


def wrong(command: Sequence[str], image: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the environment of `python -m <module> …`, in an image that itself sets `image`."""
    module, *words = command[2:]
    if module in _SETTINGS:
        own = {**_own(image, module), **given}
        must, may = _around_the_store(module, words, given)
        known = settings_of(module) | must | may
        return _unknown(own, known) + _missing(given, must) + _missing_settings(_SETTINGS[module].load, own)
    if module not in _JOBS:
        return [f"nobody knows what {module} is told"]
    must, may = _JOBS[module]
    if _ONE in words:  # of the migration step's passwords that one
        must -= _PASSWORDS - {password_variable(words[words.index(_ONE) + 1])}
    found = _unknown(given, must | may) + _missing(given, must)
    return found + _missing_settings(lambda: cluster_of(os.environ), given) if _BROKER & must else found


def adrift(given: Mapping[str, str], kept: Collection[str]) -> list[str]:
    """Return whether files of the archive go with the container. `kept` are the folders on volumes that stay."""
    store = urlsplit(given.get(STORE, ""))
    if store.scheme != "file" or any(PurePosixPath(store.path).is_relative_to(each) for each in kept):
        return []
    return [f"{store.path} is on no volume that outlives it: the archive would be lost with it"]


def _own(image: Mapping[str, str], module: str) -> dict[str, str]:
    """Return what the image says to one service: it speaks to all of them at once."""
    prefix = f"KIZUNA_{module.rpartition('.')[2].upper()}_"
    return {name: value for name, value in image.items() if name.startswith(prefix)}


def _around_the_store(
    module: str, words: Sequence[str], given: Mapping[str, str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return what whoever writes or reads the archive must, and may, be told besides settings."""
    nothing = frozenset[str]()
    rebuilds = list(words) == [WORD]
    if _SETTINGS[module] is not Archive and not rebuilds:
        return nothing, nothing
    kind = urlsplit(given.get(STORE, "")).scheme
    must = _PROVIDERS.get(kind, nothing)
    return must | {STORE} if rebuilds else must, _OF_PROVIDERS.get(kind, nothing)


def _missing(given: Mapping[str, str], must: frozenset[str]) -> list[str]:
    names = {*given, *(name.removesuffix(_FROM_FILE) for name in given)}
    return [f"{name} is missing" for name in sorted(must - names)]


def _unknown(given: Mapping[str, str], known: frozenset[str]) -> list[str]:
    return [
        f"{name} is no setting" for name in given if name not in known and name.removesuffix(_FROM_FILE) not in known
    ]


def _missing_settings(load: Callable[[], object], given: Mapping[str, str]) -> list[str]:
    """Load the settings as the process would, with a file in the place of each that it would read."""
    with TemporaryDirectory() as folder:
        secret = Path(folder) / "secret"
        secret.write_text(_ANY_SECRET)
        kinds = {_FROM_FILE: secret, _AUTHORITIES: self_signed(Path(folder), "authority").cert}
        files = {name: str(file) for name in given for end, file in kinds.items() if name.endswith(end)}
        with patch.dict(os.environ, {**given, **files}, clear=True):
            try:
                load()
            except (SystemExit, ValueError) as error:
                return str(error).splitlines()[1:]
    return []
