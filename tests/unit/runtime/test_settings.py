"""Settings come from the environment or from files, and say by name what is missing."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from services.alerts.settings import Settings as Alerts
from services.health.settings import Settings as Health
from services.ingest.settings import Settings as Ingest
from services.revenue.settings import Settings as Revenue
from shared.cluster import Cluster
from shared.settings import ServiceSettings

SHARED = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092", "KIZUNA_PUBLIC_KEY_FILE": "/keys/public.pem"}


class Toy(ServiceSettings):
    """A service with a secret of its own."""

    model_config = SettingsConfigDict(env_prefix="KIZUNA_TOY_")

    secret: SecretStr


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {**SHARED, "KIZUNA_TOY_PORT": "8009", "KIZUNA_TOY_DATABASE_URL": "postgresql://x"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_secret_may_come_from_a_file_and_shows_nowhere(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    environment.setenv("KIZUNA_TOY_SECRET_FILE", str(tmp_path / "secret"))
    environment.setenv("KIZUNA_TIME_ZONE", "Asia/Tokyo")
    settings = Toy.load()
    assert settings.secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
    assert settings.time_zone == ZoneInfo("Asia/Tokyo")
    assert settings.kafka == Cluster("127.0.0.1:9092")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KIZUNA_TOY_SECRET", None),
        ("KIZUNA_TOY_PORT", "0"),
        ("KIZUNA_TOY_PORT", "http"),
        ("KIZUNA_TOY_DATABASE_URL", None),
        ("KAFKA_BOOTSTRAP_SERVERS", None),
        ("KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("KAFKA_SSL_CAFILE", "/no/ca.pem"),
        ("KAFKA_SASL_PASSWORD_FILE", "/no/password"),
        ("KIZUNA_PUBLIC_KEY_FILE", None),
        ("KIZUNA_TIME_ZONE", "Mars/Olympus"),
        ("KIZUNA_PARTITIONS", "0"),
    ],
)
def test_what_is_missing_or_wrong_is_named(environment: pytest.MonkeyPatch, name: str, value: str | None) -> None:
    environment.setenv("KIZUNA_TOY_SECRET", "s")
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)
    with pytest.raises(SystemExit, match=name):
        Toy.load()


@pytest.mark.parametrize("settings", [Ingest, Health, Revenue, Alerts])
def test_no_service_has_settings_by_the_hundred(settings: type[ServiceSettings]) -> None:
    own = set(settings.model_fields) - set(ServiceSettings.model_fields)
    assert len(own) <= 12
    assert str(settings.model_config.get("env_prefix", "")).startswith("KIZUNA_")
