"""What revenue is told from outside: what every service is told, and nothing of its own yet."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the revenue service, from `KIZUNA_REVENUE_…`."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_REVENUE_")

    port: int = Field(default=8003, ge=1, le=65535)
