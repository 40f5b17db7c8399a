"""What the checks of containers are worth: each finds what is broken on purpose, in a copy of the checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from deploy.jobs.secrets import READERS, make
from services.health.app import build
from services.health.settings import Settings
from tests.containers import tools
from tests.containers.checks import CHECKS
from tests.containers.render import name_of, render

ROOT = Path(__file__).parents[2]
MUTABLE = ("deploy", "docker-compose.yml", ".dockerignore")
FIXED = ("shared", "services", "cli", "uv.lock", "pyproject.toml", "Makefile")
COMPOSE = "docker-compose.yml"
DOCKERFILE = "deploy/Dockerfile"
BASE = "deploy/kustomize/base"
PRODUCTION = "deploy/kustomize/production"


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    tools.install()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FIXED:
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__", "inbox"))
    for name in MUTABLE[1:]:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def change(checkout: Path, file: str, old: str, new: str) -> None:
    text = (checkout / file).read_text()
    assert old in text, f"{file} has changed; break something else"
    (checkout / file).write_text(text.replace(old, new, 1))


BROKEN = {
    "an untold version": ("Dockerfile", DOCKERFILE, "python:3.11.14-slim-bookworm AS", "python:latest AS", "DL3007"),
    "another uv": ("Dockerfile", DOCKERFILE, "uv==", "uv==0.", "installs uv"),
    "a misspelt key": ("compose", COMPOSE, "    shm_size:", "    shm_sise:", "shm_sise"),
    "an undocumented setting": (
        "compose",
        COMPOSE,
        "KIZUNA_TIME_ZONE:",
        "KIZUNA_TIMEZONE:",
        "KIZUNA_TIMEZONE is no setting",
    ),
    "a setting of another service": (
        "compose",
        COMPOSE,
        "KIZUNA_HEALTH_DATABASE_URL_FILE:",
        "KIZUNA_REVENUE_DATABASE_URL_FILE:",
        "health: KIZUNA_REVENUE_DATABASE_URL_FILE is no setting",
    ),
    "a setting that is missing": (
        "compose",
        COMPOSE,
        "      KIZUNA_ALERTS_LINK_SECRET_FILE: /secrets/alerts/link_secret\n",
        "",
        "KIZUNA_ALERTS_LINK_SECRET",
    ),
    "nobody to reach": (
        "compose",
        COMPOSE,
        "      KIZUNA_ALERTS_TEAM_MAIL: customer-success@vendor.example\n",
        "",
        "somebody",
    ),
    "a password that is missing": (
        "compose",
        COMPOSE,
        "      KIZUNA_HEALTH_DB_PASSWORD_FILE: /secrets/migrations/health_password\n",
        "",
        "KIZUNA_HEALTH_DB_PASSWORD is missing",
    ),
    "an open port": ("compose", COMPOSE, '"127.0.0.1:8002:8080"', '"8002:8080"', "port 8002 is open to others"),
    "no limit": ("compose", COMPOSE, "memory: 128m, ", "", "mail: it has no limit of memory"),
    "a misspelt field": (
        "manifests",
        f"{BASE}/deployment.yaml",
        "enableServiceLinks",
        "enableServiceLink",
        "enableServiceLink",
    ),
    "a wrong type": ("manifests", f"{BASE}/deployment.yaml", "containerPort: 8080", 'containerPort: "8080"', "8080"),
    "a setting that nobody reads": (
        "manifests",
        f"{BASE}/health.yaml",
        "KIZUNA_HEALTH_DATABASE_URL_FILE",
        "KIZUNA_HEALTH_DATABASE_URI_FILE",
        "KIZUNA_HEALTH_DATABASE_URI_FILE is no setting",
    ),
    "a key of no ConfigMap": (
        "manifests",
        f"{BASE}/config.yaml",
        "KIZUNA_PARTITIONS:",
        "PARTITIONS:",
        "KIZUNA_PARTITIONS is in no",
    ),
    "a file of no Secret": (
        "manifests",
        f"{BASE}/alerts.yaml",
        "/secrets/link_secret",
        "/secrets/links",
        "no Secret brings",
    ),
    "a selector without pods": (
        "manifests",
        f"{BASE}/network.yaml",
        "name: alerts,",
        "name: alert,",
        "nothing has the labels",
    ),
    "a patch of nothing": (
        "manifests",
        f"{PRODUCTION}/health.yaml",
        "name: health",
        "name: helth",
        "a patch fits nothing",
    ),
    "killed while it drains": (
        "manifests",
        f"{BASE}/deployment.yaml",
        "terminationGracePeriodSeconds: 30",
        "terminationGracePeriodSeconds: 5",
        "killed before it has drained",
    ),
    "scaling by another group": (
        "manifests",
        f"{PRODUCTION}/scaling.yaml",
        "consumerGroup: revenue",
        "consumerGroup: kizuna-revenue",
        "the group of revenue is called revenue",
    ),
    "scaling nothing": (
        "manifests",
        f"{PRODUCTION}/scaling.yaml",
        "{name: health}",
        "{name: helth}",
        "no Deployment helth",
    ),
    "a file that is left out": (
        "image",
        ".dockerignore",
        "!deploy/jobs\n",
        "",
        ".dockerignore lets nothing of deploy/jobs",
    ),
    "a package that is left out": ("image", DOCKERFILE, "COPY services ./services\n", "", "services"),
    "a step that is not replayed": (
        "image",
        DOCKERFILE,
        "RUN uv sync",
        "RUN apt-get update && uv sync",
        "how to replay it",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found(name: str, checkout: Path) -> None:
    check, file, old, new, told = BROKEN[name]
    change(checkout, file, old, new)
    found = "\n".join(CHECKS[check](checkout))
    assert told in found


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_policies_find_what_is_not_hardened(checkout: Path) -> None:
    """All in one copy: the tool takes seconds to start."""
    change(checkout, DOCKERFILE, "USER 10001:10001\n", "")
    change(checkout, f"{BASE}/deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    change(checkout, f"{BASE}/job.yaml", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true")
    change(checkout, f"{BASE}/deployment.yaml", "          livenessProbe:", "          livenessProve:")
    found = "\n".join(CHECKS["policies"](checkout))
    for told in ("CKV_DOCKER_3", "Deployment.kizuna.health: CKV_K8S_22", "Job.kizuna.topics: CKV_K8S_20", "CKV_K8S_8 "):
        assert told in found


@pytest.mark.parametrize("check", ["Dockerfile", "compose", "manifests"])
def test_nothing_is_wrong_here(check: str) -> None:
    assert CHECKS[check](ROOT) == []


def test_a_reader_gets_its_secrets_alone_and_keeps_them(tmp_path: Path) -> None:
    make(tmp_path, "database.example:5432/kizuna")
    before = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    make(tmp_path, "database.example:5432/kizuna")
    for file, text in before.items():
        assert file.stat().st_mode & 0o777 == 0o400
        assert file.read_text() == text or file.name == "env"
    assert {each.name for each in tmp_path.iterdir()} == set(READERS)
    assert sorted(each.name for each in (tmp_path / "health").iterdir()) == ["database_url", "public.pem"]


def test_volumes_are_those_that_the_image_prepares() -> None:
    text = (ROOT / DOCKERFILE).read_text()
    assert f"for reader in {' '.join(READERS)}; do" in text
    assert {f"secrets-{each}" for each in READERS} <= set(yaml.safe_load((ROOT / COMPOSE).read_text())["volumes"])


def test_a_group_is_called_as_scaling_says() -> None:
    rendered = {name_of(each): each for each in render(ROOT / PRODUCTION)}
    settings = Settings(database_url="postgresql://x", kafka="x:1", public_key_file=Path("x"))
    [trigger] = rendered["ScaledObject/health"]["spec"]["triggers"]
    assert build(settings).name == trigger["metadata"]["consumerGroup"]
