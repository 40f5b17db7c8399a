"""What the alerts service is told from outside."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings

SECRET_LENGTH: Final = 16


class Settings(ServiceSettings):
    """Settings of alerts. Slack works once its token is set, mail once its server is; one of them must be."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_ALERTS_", extra="ignore", populate_by_name=True)

    port: int = Field(default=8004, ge=1, le=65535)
    public_url: str = Field(default="http://127.0.0.1:8004", pattern="^https?://")
    link_secret: SecretStr
    slack_url: str = Field(default="https://slack.com/api/", pattern="^https?://.*/$")
    slack_token: SecretStr | None = None
    team_channel: str | None = None
    smtp_url: SecretStr | None = None
    mail_from: str = "kizuna@localhost"
    team_mail: str | None = None

    @field_validator("link_secret")
    @classmethod
    def _long_enough(cls, secrets: SecretStr) -> SecretStr:
        """Refuse a short one, also among several."""
        if min(map(len, secrets.get_secret_value().splitlines()), default=0) < SECRET_LENGTH:
            raise ValueError(f"at least {SECRET_LENGTH} characters on every line, of which the first signs")
        return secrets

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Self:
        """Refuse a team that nobody can reach: alerts without an owner would vanish from everybody's sight."""
        slack = self.slack_token is not None and bool(self.team_channel)
        mail = self.smtp_url is not None and bool(self.team_mail)
        if not (slack or mail):
            raise ValueError(
                "set KIZUNA_ALERTS_SLACK_TOKEN and KIZUNA_ALERTS_TEAM_CHANNEL, or KIZUNA_ALERTS_SMTP_URL and "
                "KIZUNA_ALERTS_TEAM_MAIL: somebody must be reachable when an account has no owner"
            )
        return self
