"""A whole deployment as its users see it: its HTTP interfaces, its command line, its inbox, and nothing behind them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from cli.environment import parse
from deploy.local import report, stack
from deploy.local.plan import Plan
from tests.plugins.stack import free_plan

T = TypeVar("T")
CONSUMERS = ("health", "revenue", "alerts")


def eventually(look: Callable[[], T | None], seconds: float, *, every: float = 0.05) -> T:
    """Return the first truthy thing that `look` finds; fail, showing the last one, when there is none in time."""
    given_up = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < given_up, f"not within {seconds} s, at last {found!r}"
        time.sleep(every)
    return found


@dataclass(frozen=True, slots=True)
class Deployment:
    """One running stack: `environment` is what `.run/env` says, `folder` where its command line is run."""

    environment: Mapping[str, str]
    folder: Path
    http: httpx.Client

    def url(self, service: str) -> str:
        return self.environment[f"KIZUNA_{service.upper()}_URL"]

    def ask(self, service: str, path: str, **params: Any) -> httpx.Response:
        """Ask a service as an administrator; the answer may be any."""
        headers = {"authorization": f"Bearer {self.environment['KIZUNA_TOKEN']}"}
        return self.http.get(self.url(service) + path, params=params or None, headers=headers)

    def get(self, service: str, path: str, **params: Any) -> Any:
        answer = self.ask(service, path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, events: Sequence[Mapping[str, Any]]) -> datetime:
        """Post events, all of which must be accepted; return when that was acknowledged, by this machine's clock."""
        answer = self.http.post(
            f"{self.url('ingest')}/v1/events",
            json=list(events),
            headers={
                "authorization": f"Bearer {self.environment['KIZUNA_WRITE_KEY']}",
                "content-type": "application/cloudevents-batch+json",
            },
        )
        acknowledged = datetime.now().astimezone()
        assert answer.status_code == 200, answer.text
        assert answer.json()["accepted"] == len(events), answer.text
        return acknowledged

    def messages(self, account: str | None = None, channel: str | None = None) -> list[dict[str, Any]]:
        wanted = {"account": account, "channel": channel}
        answer = self.http.get(
            f"{self.url('inbox')}/messages", params={name: value for name, value in wanted.items() if value}
        )
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    def counted(self, service: str, event: Mapping[str, Any]) -> bool:
        """Whether a service has absorbed an event."""
        return self.ask(service, f"/v1/events/{event['id']}", source=event["source"]).is_success

    def at_rest(self) -> bool:
        """Whether no service has anything to read, to evaluate or to send on."""
        found = [self.get(service, "/v1/status") for service in CONSUMERS]
        return not any(each["lag"] or each["due"] or each["outbox"] for each in found)

    def kizuna(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line against this deployment, as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            env={**os.environ, **self.environment},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def say(self, *arguments: str, seconds: float = 100) -> str:
        """Run the command line to its end, which must be a good one; return what it printed."""
        with self.kizuna(*arguments) as process:
            out, err = process.communicate(timeout=seconds)
        assert process.returncode == 0, err
        return out


@pytest.fixture
def deployment(running_stack: Mapping[str, str], tmp_path: Path) -> Iterator[Deployment]:
    """The stack that all tests share; accounts are told apart by their names."""
    with httpx.Client(timeout=30) as http:
        yield Deployment(running_stack, tmp_path, http)


@contextmanager
def clean_deployment(folder: Path) -> Iterator[tuple[Plan, Deployment]]:
    """Yield a stack of one's own, with servers of its own: empty, and to be mistreated at will."""
    plan = replace(free_plan(folder / "run"), kafka=None, database=None)
    stack.up(plan)
    try:
        with httpx.Client(timeout=30) as http:
            yield plan, Deployment(parse(report.env_file(plan).read_text()), folder, http)
    finally:
        stack._stop_in_order(stack.running_parts(plan))
