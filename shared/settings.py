"""What every service is told from outside. Built only in `__main__`; everything else takes values."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KAFKA: Final = "KAFKA_"


class ProcessSettings(BaseSettings):
    """Settings that all processes share. A subclass names its own prefix: `KIZUNA_HEALTH_` reads `KIZUNA_HEALTH_PORT`.

    Any setting can also come from a file: `KIZUNA_ALERTS_SLACK_TOKEN_FILE=/run/secrets/slack` fills `slack_token`.
    """

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    port: int = Field(ge=1, le=65535)
    host: str = "127.0.0.1"
    kafka: Cluster
    session_seconds: float = Field(default=10, ge=2, le=120, validation_alias="KIZUNA_SESSION_SECONDS")
    topic_prefix: str = Field(default="", validation_alias="KIZUNA_TOPIC_PREFIX")
    inbox_time_scale: int = Field(default=1, ge=1, le=100_000, validation_alias="KIZUNA_INBOX_TIME_SCALE")

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment (and `…_FILE` secrets), or exit naming the variable that is missing or wrong."""
        prefix = str(cls.model_config.get("env_prefix", ""))
        try:
            own = _from_files(os.environ, prefix, cls.model_fields)
            values: dict[str, Any] = {"kafka": _kafka(os.environ), **own, **overrides}
            return cls(**values)
        except ValueError as error:
            raise SystemExit(_told(error, prefix)) from None


class ServiceSettings(ProcessSettings):
    """Settings that all services share."""

    database_url: str
    public_key_file: Path = Field(validation_alias="KIZUNA_PUBLIC_KEY_FILE")
    time_zone: ZoneInfo = Field(default=ZoneInfo("UTC"), validation_alias="KIZUNA_TIME_ZONE")
    partitions: int = Field(default=12, ge=1, le=1000, validation_alias="KIZUNA_PARTITIONS")


def cluster_of(environ: Mapping[str, str]) -> Cluster:
    """Return the Kafka that `KAFKA_…` describes. ValueError names the variable that is missing or wrong."""
    try:
        return TypeAdapter(Cluster).validate_python(_kafka(environ))
    except ValidationError as error:
        raise ValueError(_told(error, KAFKA)) from None


def _told(error: ValueError, prefix: str) -> str:
    """Say what is wrong with which variable; never what it holds."""
    lines = [str(error)]
    if isinstance(error, ValidationError):
        wrong = [(each["loc"], each["msg"].removeprefix("Value error, ")) for each in error.errors()]
        lines = [f"{_variable(prefix, [str(at) for at in place])}{what}" for place, what in wrong]
    return "\n".join(["Settings are missing or wrong:", *(f"  {line}" for line in lines)])


def _variable(prefix: str, place: list[str]) -> str:
    """Return the variable of a setting; those that all services share carry their own whole name, Kafka's a prefix."""
    if place[:1] == ["kafka"]:
        prefix, place = KAFKA, place[1:]
    return "".join(f"{name if name.isupper() else prefix + name.upper()}: " for name in place[:1])


def _kafka(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of the cluster that are said; a variable that is empty says nothing."""
    names = [each.name for each in fields(Cluster)]
    given = {name: environ.get(f"{KAFKA}{name.upper()}", "") for name in names}
    return {name: value for name, value in (given | _from_files(environ, KAFKA, names)).items() if value}


def _from_files(environ: Mapping[str, str], prefix: str, names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        variable = f"{prefix}{name.upper()}_FILE"
        path = environ.get(variable)
        if path and name != "public_key":
            try:
                found[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ValueError(f"{variable}: {path} cannot be read: {error.strerror}") from None
    return found
