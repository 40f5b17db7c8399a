"""What health is told from outside: what every service is told, and how often usage is looked at."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the health service, from `KIZUNA_HEALTH_…`."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_HEALTH_")

    port: int = Field(default=8002, ge=1, le=65535)
    usage_pause: float = Field(default=900, ge=0, description="Seconds between two looks at an account for usage alone")
