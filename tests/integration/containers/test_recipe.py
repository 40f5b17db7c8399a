"""What `docker compose up` does, without an engine: the image's files and the compose file's commands, as processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.local.ports import free_ports
from deploy.local.processes import wait_for
from shared.database_roles import SERVICES
from tests.containers import tools
from tests.containers.checks import composed, scratch_folder
from tests.containers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
STARTED = (*SERVICES, "archive")
EVENT = {
    "specversion": "1.0",
    "id": "evt-1",
    "source": "web-app",
    "type": "kizuna.usage.recorded",
    "subject": "acme",
    "data": {"event": "login", "person_id": "jane"},
}


class Recipe:
    """The compose file's processes, with its servers' names and its volumes replaced by what there is here."""

    def __init__(self, built: Replay, places: dict[str, str]) -> None:
        self._built = built
        self._places = places
        self._services: dict[str, dict[str, Any]] = composed(ROOT)

    def told(self, name: str) -> tuple[list[str], dict[str, str]]:
        service = self._services[name]
        command = [self._here(each) for each in service.get("entrypoint") or service["command"]]
        return command, {key: self._here(value) for key, value in service.get("environment", {}).items()}

    def job(self, name: str, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        command, environment = self.told(name)
        return self._built.run([*command, *arguments], environment | given)

    def start(self, name: str, port: int, log: Path) -> subprocess.Popen[bytes]:
        command, environment = self.told(name)
        environment |= {
            f"KIZUNA_{name.upper()}_PORT": str(port),
            "KIZUNA_TOPIC_PREFIX": os.environ["KIZUNA_TOPIC_PREFIX"],
        }
        with log.open("wb") as file:
            return subprocess.Popen(
                command, cwd=self._built.app, env=self._built.environment(environment), stdout=file, stderr=file
            )

    def _here(self, text: str) -> str:
        for there, here in self._places.items():
            text = text.replace(there, here)
        return text


@pytest.fixture
def recipe(database_url: str, bootstrap_servers: str, tmp_path: Path) -> Iterator[Recipe]:
    tools.install()
    secrets = tmp_path / "secrets"
    (secrets / "postgres").mkdir(parents=True)
    (secrets / "postgres" / "password").write_text(str(urlsplit(database_url).password))
    with TemporaryDirectory(dir=scratch_folder()) as scratch:
        places = {"/secrets": str(secrets), "/archive": str(tmp_path / "volume"), "kafka:9092": bootstrap_servers}
        yield Recipe(Replay(ROOT, Path(scratch)), places)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_compose_file_brings_everything_up(recipe: Recipe, database_url: str, tmp_path: Path) -> None:
    place = urlsplit(database_url)
    address = f"{place.hostname}:{place.port}{place.path}"
    for job in (
        recipe.job("secrets", "--database", address),
        recipe.job("migrations"),
        recipe.job("topics", KIZUNA_TOPIC_PREFIX=os.environ["KIZUNA_TOPIC_PREFIX"]),
    ):
        assert job.returncode == 0, job.stderr
    ports = dict(zip(STARTED, free_ports(len(STARTED)), strict=True))
    started = {name: recipe.start(name, port, tmp_path / f"{name}.log") for name, port in ports.items()}
    try:
        for name, port in ports.items():
            assert wait_for(partial(ready, port), 120, every=0.2), (tmp_path / f"{name}.log").read_text()
        urls = {f"KIZUNA_{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in SERVICES}
        token = (
            (tmp_path / "secrets" / "operator" / ".run" / "env").read_text().partition("KIZUNA_TOKEN=")[2].split()[0]
        )
        key = recipe.job("kizuna", "keys", "create", "--source", "web-app", KIZUNA_TOKEN=token, **urls)
        assert key.stdout.startswith("kz_"), key.stderr
        post(ports["ingest"], key.stdout.split()[0])
        assert wait_for(partial(holds, ports["archive"]), 60, every=0.2), (tmp_path / "archive.log").read_text()
        for process in started.values():
            process.send_signal(signal.SIGTERM)
        assert {name: process.wait(30) for name, process in started.items()} == dict.fromkeys(STARTED, 0)
    finally:
        for process in started.values():
            process.kill()
            process.wait()
    rebuilt(recipe)


def rebuilt(recipe: Recipe) -> None:
    """What the archive wrote when it was stopped is enough for health, whose schema was set aside."""
    aside = recipe.job("migrations", "--service", "health", "--set-aside")
    assert aside.returncode == 0, aside.stderr
    done = recipe.job("rebuild-health", KIZUNA_TOPIC_PREFIX=os.environ["KIZUNA_TOPIC_PREFIX"])
    assert done.returncode == 0, done.stderr
    assert re.search(r"^[1-9][\d,]* of them from the archive", done.stdout, re.MULTILINE), done.stdout


def post(port: int, key: str) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/cloudevents+json"}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/events", json=EVENT, headers=headers, timeout=30)
    assert answer.is_success, answer.text


def holds(port: int) -> bool:
    """Whether the archive has read something that it has not written yet."""
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    return float(re.findall(r"^kizuna_archive_held_seconds (\S+)$", metrics, re.MULTILINE)[0]) > 0


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).is_success
    except httpx.HTTPError:
        return False
