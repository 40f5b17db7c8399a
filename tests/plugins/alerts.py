"""The alerts service on a real database, delivering into a real inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.alerts.app import open_channels
from services.alerts.settings import Settings
from shared.db import Database
from tests.integration.alerts.desk import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.plugins.inbox import LocalInbox
    from tests.plugins.postgres import ServiceDatabase


def settings_for(inbox: LocalInbox, database_url: str = "unused", **more: str) -> Settings:
    """Return settings under which both channels reach the inbox."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "kafka": {"bootstrap_servers": "unused"},
            "KIZUNA_PUBLIC_KEY_FILE": "unused",
            "link_secret": "a secret of the tests",
            "slack_url": inbox.slack_url,
            "slack_token": inbox.token,
            "team_channel": "#customer-success",
            "smtp_url": f"smtp://{inbox.smtp_host}:{inbox.smtp_port}",
            "team_mail": "team@kizuna.example",
            **more,
        }
    )


@pytest.fixture
async def desk(service_database: ServiceDatabase, inbox: LocalInbox) -> AsyncIterator[Desk]:
    """A replica that delivers into the inbox."""
    settings = settings_for(inbox, await service_database("alerts"))
    desk = Desk(Database(settings.database_url), settings, open_channels(settings))
    yield desk
    for channel in desk.channels.values():
        await channel.close()
    await desk.database.close()
