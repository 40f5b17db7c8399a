"""What health is told from outside: what every service is told, and nothing of its own yet."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the health service, from `KIZUNA_HEALTH_…`."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_HEALTH_")

    port: int = Field(default=8002, ge=1, le=65535)
