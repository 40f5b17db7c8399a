import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cli.environment import parse
from deploy.local import credentials, programs, report
from deploy.local.plan import SERVICES, Plan, plan_of
from deploy.local.processes import Program
from shared.access import Access
from shared.cluster import Cluster
from shared.settings import cluster_of


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    folder = tmp_path / "a folder's name"
    return replace(plan_of({}, folder), database="postgresql://admin:p$w'd@db.example:5432/kizuna")


def sourced(path: Path) -> Mapping[str, str]:
    script = f"set -eu; . {shlex.quote(str(path))}; env -0"
    out = subprocess.run(["sh", "-c", script], env={}, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in out.split("\0") if line)


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = credentials.passwords(tmp_path)
    assert first == credentials.passwords(tmp_path)
    assert len(set(first.values())) == len(SERVICES)
    key = credentials.public_key_file(tmp_path).read_text()
    assert key == credentials.public_key_file(tmp_path).read_text()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_token_is_an_administrators(tmp_path: Path) -> None:
    token = credentials.admin_token(tmp_path)
    assert Access(credentials.public_key_file(tmp_path).read_text()).verify(token).role == "admin"


def test_a_shell_reads_the_env_file_as_it_was_meant(plan: Plan) -> None:
    report.write_env(plan, "token", "key $HOME `id`")
    path = report.env_file(plan)
    assert path.stat().st_mode & 0o777 == 0o600
    values = sourced(path)
    assert values["KIZUNA_WRITE_KEY"] == "key $HOME `id`"
    assert values["DATABASE_URL"] == plan.database
    assert values["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:8092"
    assert values["KIZUNA_ALERTS_URL"] == "http://127.0.0.1:8004"
    assert values["KIZUNA_TOKEN"] == "token"
    assert {name: values[name] for name in parse(path.read_text())} == parse(path.read_text())


def test_the_stack_of_a_sourced_shell_is_the_same_stack(plan: Plan) -> None:
    own = replace(plan, database=None)
    own.folder.mkdir(parents=True)
    (own.folder / "postgres.password").write_text("secret\n")
    report.write_env(own, "token", "key")
    assert plan_of(sourced(report.env_file(own)), own.folder) == own


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_learns_its_own_secrets_only(name: str, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin")
    monkeypatch.setenv("KIZUNA_TOKEN", "an administrator's")
    environment = programs.service(plan, name).environment
    known = json.dumps(dict(environment))
    others = [word for service, word in credentials.passwords(plan.folder).items() if service != name]
    assert not any(word in known for word in others)
    assert not {"DATABASE_URL", "KIZUNA_TOKEN", "KIZUNA_PRIVATE_KEY_FILE"} & set(environment)
    assert f"kizuna_{name}:" in environment[f"KIZUNA_{name.upper()}_DATABASE_URL"]
    assert Path(environment["KIZUNA_PUBLIC_KEY_FILE"]).is_file()
    assert cluster_of(environment) == Cluster("127.0.0.1:8092")


@pytest.mark.parametrize("module", ["health", "archive"])
def test_how_to_get_into_a_broker_is_told_with_the_broker(module: str, plan: Plan) -> None:
    said = {"KAFKA_BOOTSTRAP_SERVERS": "far.example:9093", "KAFKA_SECURITY_PROTOCOL": "SSL"}
    planned = plan_of(said, plan.folder)
    others = replace(plan, kafka=planned.kafka, access=planned.access)
    assert cluster_of(programs.service(others, module).environment) == Cluster("far.example:9093", "SSL")
    report.write_env(others, "token", "key")
    assert cluster_of(sourced(report.env_file(others))) == Cluster("far.example:9093", "SSL")
    assert cluster_of(programs.service(plan, module).environment) == Cluster("127.0.0.1:8092"), "its own needs none"


def test_a_real_slack_token_wins_over_the_stand_in(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIZUNA_ALERTS_SLACK_TOKEN", "xoxb-real")
    environment = programs.service(plan, "alerts").environment
    assert environment["KIZUNA_ALERTS_SLACK_TOKEN"] == "xoxb-real"
    assert "KIZUNA_ALERTS_SLACK_URL" not in environment, "the service's own default is Slack itself"
    assert environment["KIZUNA_ALERTS_SMTP_URL"] == "smtp://127.0.0.1:8025"


def test_a_stack_that_is_up_keeps_the_access_to_its_broker(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another shell, which knows nothing of it, rebuilds a service or starts one again."""
    monkeypatch.setattr(Program, "pid", lambda _: 1)
    said = {"KAFKA_BOOTSTRAP_SERVERS": "far.example:9093", "KAFKA_SECURITY_PROTOCOL": "SSL"}
    planned = plan_of(said, plan.folder)
    planned.save()
    assert plan_of({}, plan.folder) == planned
    assert programs.kafka(plan_of({}, plan.folder)) == said
    assert "SSL" not in repr(planned), "an access may hold a password"
