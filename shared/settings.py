"""What every service is told from outside. Built only in `__main__`; everything else takes values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """Settings that all processes share. A subclass names its own prefix: `KIZUNA_HEALTH_` reads `KIZUNA_HEALTH_PORT`.

    Any setting can also come from a file: `KIZUNA_ALERTS_SLACK_TOKEN_FILE=/run/secrets/slack` fills `slack_token`.
    """

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    port: int = Field(ge=1, le=65535)
    host: str = "127.0.0.1"
    kafka: str = Field(validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    session_seconds: float = Field(default=10, ge=2, le=120, validation_alias="KIZUNA_SESSION_SECONDS")
    topic_prefix: str = Field(default="", validation_alias="KIZUNA_TOPIC_PREFIX")
    inbox_time_scale: int = Field(default=1, ge=1, le=100_000, validation_alias="KIZUNA_INBOX_TIME_SCALE")

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment (and `…_FILE` secrets), or exit naming the variable that is missing or wrong."""
        prefix = str(cls.model_config.get("env_prefix", ""))
        try:
            values: dict[str, Any] = {**_from_files(prefix, cls), **overrides}
            return cls(**values)
        except ValidationError as error:
            wrong = [("".join(_variable(prefix, str(at)) for at in e["loc"][:1]), e["msg"]) for e in error.errors()]
            lines = [f"  {where}{what}" for where, what in wrong]
            raise SystemExit("Settings are missing or wrong:\n" + "\n".join(lines)) from None


class ServiceSettings(ProcessSettings):
    """Settings that all services share."""

    database_url: str
    public_key_file: Path = Field(validation_alias="KIZUNA_PUBLIC_KEY_FILE")
    time_zone: ZoneInfo = Field(default=ZoneInfo("UTC"), validation_alias="KIZUNA_TIME_ZONE")
    partitions: int = Field(default=12, ge=1, le=1000, validation_alias="KIZUNA_PARTITIONS")


def _variable(prefix: str, name: str) -> str:
    """Return the variable of a setting; those that all services share carry their own whole name."""
    return f"{name if name.isupper() else prefix + name.upper()}: "


def _from_files(prefix: str, cls: type[BaseSettings]) -> dict[str, str]:
    found = {}
    for name in cls.model_fields:
        path = os.environ.get(f"{prefix}{name.upper()}_FILE")
        if path and name != "public_key":
            found[name] = Path(path).read_text(encoding="utf-8").strip()
    return found
