"""Settings: whatever would make alerts vanish refuses to start, and secrets do not show."""

from pathlib import Path
from typing import Any

import pytest

from services.alerts.app import open_channels
from services.alerts.settings import Settings

BASE = {
    "KIZUNA_ALERTS_DATABASE_URL": "postgresql://x",
    "KAFKA_BOOTSTRAP_SERVERS": "x:1",
    "KIZUNA_PUBLIC_KEY_FILE": "key.pem",
    "KIZUNA_ALERTS_LINK_SECRET": "a secret of the tests",
}
SLACK = {"KIZUNA_ALERTS_SLACK_TOKEN": "xoxb-secret", "KIZUNA_ALERTS_TEAM_CHANNEL": "#cs"}
MAIL = {"KIZUNA_ALERTS_SMTP_URL": "smtp://user:pass%40word@mail:2525", "KIZUNA_ALERTS_TEAM_MAIL": "cs@vendor.example"}


def load(monkeypatch: pytest.MonkeyPatch, *given: dict[str, str]) -> Settings:
    for name, value in (pair for each in (BASE, *given) for pair in each.items()):
        monkeypatch.setenv(name, value)
    return Settings.load()


@pytest.mark.parametrize(
    ("given", "names"),
    [((SLACK,), ["slack"]), ((MAIL,), ["email"]), ((SLACK, MAIL), ["slack", "email"])],
)
async def test_what_is_configured_is_open(
    monkeypatch: pytest.MonkeyPatch, given: tuple[dict[str, str], ...], names: list[str]
) -> None:
    channels = open_channels(load(monkeypatch, *given))
    assert list(channels) == names
    for channel in channels.values():
        await channel.close()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"KIZUNA_ALERTS_SLACK_TOKEN": "xoxb-secret"},
        {"KIZUNA_ALERTS_SMTP_URL": "smtp://mail"},
        SLACK | {"KIZUNA_ALERTS_SLACK_URL": "https://slack.com/api"},
        SLACK | {"KIZUNA_ALERTS_LINK_SECRET": "short"},
        SLACK | {"KIZUNA_ALERTS_LINK_SECRET": ""},
        SLACK | {"KIZUNA_ALERTS_LINK_SECRET": "a secret of the tests\nshort"},
        SLACK | {"KIZUNA_ALERTS_PUBLIC_URL": "alerts.example"},
    ],
)
def test_what_would_reach_nobody_refuses_to_start(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    with pytest.raises(SystemExit, match="KIZUNA_ALERTS_"):
        load(monkeypatch, given)


def test_secrets_come_from_files_and_do_not_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("xoxb-from-a-file\n")
    given: Any = {"KIZUNA_ALERTS_SLACK_TOKEN_FILE": str(secret), "KIZUNA_ALERTS_TEAM_CHANNEL": "#cs"}
    settings = load(monkeypatch, given, MAIL)
    assert settings.slack_token
    assert settings.slack_token.get_secret_value() == "xoxb-from-a-file"
    for word in ("xoxb", "a secret", "pass%40word"):
        assert word not in repr(settings)
