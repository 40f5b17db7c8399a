"""What the archive is told from outside: where its files lie, and how large and how old one may become."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the archive, from `KIZUNA_ARCHIVE_…`."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_ARCHIVE_")

    port: int = Field(default=8005, ge=1, le=65535)
    store: str = Field(description="file:///folder, s3://bucket/prefix, gs://… or az://…; one per deployment")
    flush_seconds: float = Field(
        default=300, gt=0, le=3600, description="How old a file may become before it is written"
    )
    file_mib: float = Field(default=64, gt=0, le=1024, description="How large it may become before it is compressed")
