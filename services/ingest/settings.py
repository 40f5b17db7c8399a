"""What ingest is told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """`KIZUNA_INGEST_…`. Events that wait for their account, and refused ones, are bounded by number and by age."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_INGEST_", extra="ignore", populate_by_name=True)

    port: int = Field(default=8001, ge=1, le=65535)
    parked_most: int = Field(default=100_000, ge=1, description="events that may wait for their account")
    parked_days: int = Field(default=28, ge=1, le=3650, description="after this an event waits no longer")
    dead_letters_most: int = Field(default=100_000, ge=1, description="refused events kept; the oldest go first")
    dead_letter_days: int = Field(default=90, ge=1, le=3650, description="for how long a refused event is kept")
