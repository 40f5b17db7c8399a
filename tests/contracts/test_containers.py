"""What the checks of containers are worth: each finds what is broken on purpose, in a copy of the checkout."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from cli.environment import parse
from deploy.jobs.secrets import READERS, main, make
from services.health.app import build
from services.health.settings import Settings
from shared.cluster import Cluster
from tests.containers import tools
from tests.containers.checks import CHECKS
from tests.containers.dockerfile import stages
from tests.containers.render import name_of, render
from tests.contracts.broken_containers import BASE, BROKEN, COMPOSE, DOCKERFILE, PRODUCTION

ROOT = Path(__file__).parents[2]
MUTABLE = ("deploy", "docker-compose.yml", ".dockerignore")
FIXED = ("shared", "services", "cli", "uv.lock", "pyproject.toml", "Makefile")


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
    change(checkout, f"{BASE}/archive.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    change(checkout, f"{BASE}/cronjob.yaml", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true")
    found = "\n".join(CHECKS["policies"](checkout))
    for told in ("CKV_DOCKER_3", "Deployment.kizuna.health: CKV_K8S_22", "Job.kizuna.topics: CKV_K8S_20", "CKV_K8S_8 "):
        assert told in found
    for told in ("StatefulSet.kizuna.archive: CKV_K8S_22", "CronJob.kizuna.rebuild-health: CKV_K8S_20"):
        assert told in found


def test_containers_are_checked_again_after_a_change_of_anything_in_the_image() -> None:
    makefile = (ROOT / "Makefile").read_text()
    [needed] = re.findall(r"^\$\(CONTAINERS\): (Makefile .*) 2>", makefile, re.MULTILINE)
    told = [each for stage in stages(ROOT / DOCKERFILE) for each in stage.instructions if each.name == "COPY"]
    copied = [path for each in told if "--from" not in each.text for path in each.text.split()[:-1]]
    assert copied
    assert [path for path in copied if not any(Path(path).is_relative_to(each) for each in needed.split())] == []


def test_what_is_applied_first_needs_nothing_of_the_rest() -> None:
    """The recipe in docs/operations.md applies by this label, waits for the jobs, and then applies everything."""
    recipe = (ROOT / "docs/operations.md").read_text()
    key, value = re.findall(r"--selector (\S+)=(\S+)", recipe)[0]
    manifests = [each for each in render(ROOT / "deploy/kustomize/production") if each["kind"] != "CronJob"]
    first = [each for each in manifests if each["metadata"].get("labels", {}).get(key) == value]
    jobs = {name_of(each) for each in manifests if each["kind"] == "Job"}
    assert jobs
    assert jobs < {name_of(each) for each in first}
    for job in (each for each in first if each["kind"] == "Job"):
        pod = job["spec"]["template"]["spec"]
        needed = {f"ServiceAccount/{pod['serviceAccountName']}"} | {
            f"ConfigMap/{each['valueFrom']['configMapKeyRef']['name']}"
            for container in pod["containers"]
            for each in container.get("env", ())
            if "configMapKeyRef" in each.get("valueFrom", {})
        }
        assert needed <= {name_of(each) for each in first}


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


def test_the_operators_key_is_named_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["secrets"])
    told = parse((tmp_path / "secrets" / "operator" / ".run" / "env").read_text())
    assert told["KIZUNA_PRIVATE_KEY_FILE"] == str(tmp_path / "secrets" / "operator" / "private.pem")


def test_volumes_are_those_that_the_image_prepares() -> None:
    text = (ROOT / DOCKERFILE).read_text()
    assert f"for reader in {' '.join(READERS)}; do" in text
    assert {f"secrets-{each}" for each in READERS} <= set(yaml.safe_load((ROOT / COMPOSE).read_text())["volumes"])


def test_a_group_is_called_as_scaling_says() -> None:
    rendered = {name_of(each): each for each in render(ROOT / PRODUCTION)}
    settings = Settings(database_url="postgresql://x", kafka=Cluster("x:1"), public_key_file=Path("x"))
    [trigger] = rendered["ScaledObject/health"]["spec"]["triggers"]
    assert build(settings).name == trigger["metadata"]["consumerGroup"]
