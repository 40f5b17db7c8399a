"""A real local inbox: Slack stand-in and mail server, in a process of their own on free ports."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.ports import HOST, free_port
from deploy.local.processes import Program

PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class LocalInbox:
    """Where the inbox listens, and what a test asks of it. `slack_url` ends with a slash."""

    url: str
    smtp_port: int
    process: Program
    http: httpx.Client
    slack_url: str
    smtp_host: str = HOST
    token: str = "xoxb-local-inbox"

    @property
    def port(self) -> int:
        """Where the Slack stand-in listens."""
        return int(self.url.rpartition(":")[2])

    def messages(self, **query: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.http.get("/messages", params=query).raise_for_status().json()["items"]
        return items

    def faults(self, **scripts: list[str]) -> None:
        self.http.put("/faults", json=scripts).raise_for_status()

    def violations(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.http.get("/violations").raise_for_status().json()["items"]
        return items

    def ready(self) -> bool:
        try:
            return self.http.get("/readyz").is_success
        except httpx.TransportError:
            return False


@contextmanager
def serving(folder: Path) -> Iterator[LocalInbox]:
    """Run an inbox whose log and note lie in `folder`."""
    port, smtp_port = free_port(), free_port()
    ports = {"KIZUNA_INBOX_PORT": str(port), "KIZUNA_SMTP_PORT": str(smtp_port)}
    command = (sys.executable, "-P", "-m", "deploy.local.inbox")
    process = Program("inbox", command, folder, os.environ | ports, tied=True)
    url = f"http://{HOST}:{port}"
    with httpx.Client(base_url=url) as client:
        try:
            process.start()
            running = LocalInbox(url, smtp_port, process, client, f"{url}/api/")
            process.await_ready(running.ready, PATIENCE)
            yield running
        finally:
            process.stop()


@pytest.fixture(scope="session")
def inbox_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInbox]:
    with serving(tmp_path_factory.mktemp("inbox")) as running:
        yield running


@pytest.fixture
def inbox(inbox_of_the_run: LocalInbox) -> LocalInbox:
    """The run's inbox, as empty and well-behaved as at its start."""
    inbox_of_the_run.http.delete("/messages").raise_for_status()
    inbox_of_the_run.faults(slack=[], smtp=[])
    return inbox_of_the_run
