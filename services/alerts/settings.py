"""What the alerts service is told from outside."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of alerts. Slack works once its token is set, mail once its server is; one of them must be."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_ALERTS_", extra="ignore", populate_by_name=True)

    port: int = Field(default=8004, ge=1, le=65535)
    public_url: str = Field(default="http://127.0.0.1:8004", pattern="^https?://")
    link_secret: SecretStr = Field(min_length=16)
    slack_url: str = Field(default="https://slack.com/api/", pattern="^https?://.*/$")
    slack_token: SecretStr | None = None
    team_channel: str | None = None
    smtp_url: SecretStr | None = None
    mail_from: str = "kizuna@localhost"
    team_mail: str | None = None

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
