"""The service as a process: from Kafka to Slack and mail in time, killed in the middle of a request, told to stop."""

import os
import signal as signals
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen

import httpx
import pytest

from deploy.local.ports import free_port
from deploy.local.topics import topic_names
from services.alerts.delivery import LEASE
from shared.access import new_key_pair
from shared.cluster import Cluster
from shared.events import Event, encode_event, topic_of
from shared.kafka import Record
from shared.kafka_admin import create_topics
from shared.produce import Publisher
from tests.plugins.inbox import LocalInbox
from tests.plugins.postgres import ServiceDatabase
from tests.plugins.runtime import until
from tests.unit.alerts.saying import HANAKO, event, owner, profile, signal

PARTITIONS = 2
SOON = 5.0
PATIENCE = 30.0


@dataclass
class Alerts:
    """One process of the service, and a way to tell it events."""

    environment: dict[str, str]
    publisher: Publisher
    process: Popen[bytes] | None = None

    async def start(self) -> None:
        self._spawn()
        await until(self.ready, PATIENCE)

    def _spawn(self) -> None:
        self.process = Popen([sys.executable, "-m", "services.alerts"], env=self.environment, stderr=DEVNULL)

    def ready(self) -> bool:
        try:
            port = self.environment["KIZUNA_ALERTS_PORT"]
            return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
        except httpx.TransportError:
            return False

    def stop(self, how: signals.Signals) -> int:
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(12)

    async def tell(self, *events: Event) -> None:
        records = [Record(topic_of(each.type), each.subject.encode(), encode_event(each)) for each in events]
        await self.publisher.publish(records)


@pytest.fixture
async def alerts(
    bootstrap_servers: str, topic_prefix: str, service_database: ServiceDatabase, inbox: LocalInbox, tmp_path: Path
) -> AsyncIterator[Alerts]:
    await create_topics(Cluster(bootstrap_servers), topic_names(), PARTITIONS, topic_prefix)
    public = tmp_path / "public.pem"
    public.write_text(new_key_pair()[1])
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "KIZUNA_PARTITIONS": str(PARTITIONS),
        "KIZUNA_SESSION_SECONDS": "2",
        "KIZUNA_PUBLIC_KEY_FILE": str(public),
        "KIZUNA_ALERTS_PORT": str(free_port()),
        "KIZUNA_ALERTS_DATABASE_URL": await service_database("alerts"),
        "KIZUNA_ALERTS_LINK_SECRET": "a secret of the tests",
        "KIZUNA_ALERTS_SLACK_URL": inbox.slack_url,
        "KIZUNA_ALERTS_SLACK_TOKEN": inbox.token,
        "KIZUNA_ALERTS_TEAM_CHANNEL": "#customer-success",
        "KIZUNA_ALERTS_SMTP_URL": f"smtp://{inbox.smtp_host}:{inbox.smtp_port}",
        "KIZUNA_ALERTS_TEAM_MAIL": "team@kizuna.example",
    }
    publisher = Publisher(Cluster(bootstrap_servers), prefix=topic_prefix)
    await publisher.start()
    running = Alerts(environment, publisher)
    try:
        await running.start()
        yield running
    finally:
        if running.process and running.process.poll() is None:
            running.stop(signals.SIGKILL)
        await publisher.stop()


async def test_a_signal_reaches_slack_and_mail_in_time_and_sigterm_ends_well(alerts: Alerts, inbox: LocalInbox) -> None:
    await alerts.tell(owner("acme", HANAKO), profile("acme", "アクメ"), event("acme", signal()))
    await until(lambda: len(inbox.messages(account="acme")) == 2, SOON)
    for message in inbox.messages():
        assert "アクメ：推進担当者が離任しました" in f"{message['text']} {message['headers']}"
    assert alerts.stop(signals.SIGTERM) == 0


@pytest.mark.slow
async def test_killed_in_the_middle_of_a_request_it_is_delivered_all_the_same(
    alerts: Alerts, inbox: LocalInbox
) -> None:
    inbox.faults(slack=["hang"], smtp=["hang"])
    await alerts.tell(owner("acme", HANAKO), event("acme", signal()))
    left: dict[str, list[str]] = {"slack": [], "smtp": []}
    await until(lambda: httpx.get(f"{inbox.url}/faults").json() == left, SOON)
    alerts.stop(signals.SIGKILL)
    assert inbox.messages() == [], "the kill hit both requests in flight"
    await alerts.start()
    await until(lambda: len(inbox.messages(account="acme")) == 2, LEASE.total_seconds() + PATIENCE)
    for message in inbox.messages():
        assert "重複している可能性があります" in f"{message['text']} {message.get('blocks')}"
