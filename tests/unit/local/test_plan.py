from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.plan import APACHE, EMBEDDED, PORTS, Plan, external, plan_of, variable
from deploy.local.processes import Program, StackError

SERVERS = {"KAFKA_BOOTSTRAP_SERVERS": ("{}", "kafka"), "DATABASE_URL": ("postgresql://me:p%40ss@{}/kizuna", "postgres")}


def test_ports_are_those_of_the_contract_unless_moved(tmp_path: Path) -> None:
    assert plan_of({}, tmp_path).ports == PORTS
    moved = plan_of({"KIZUNA_HEALTH_PORT": "9002", "KIZUNA_KAFKA_PORT": ""}, tmp_path)
    assert moved.ports == {**PORTS, "health": 9002}
    assert moved.url("health") == "http://127.0.0.1:9002"
    assert moved.bootstrap_servers == "127.0.0.1:8092"


@given(st.text().filter(lambda text: not (text.isdecimal() and text.isascii())) | st.sampled_from(["0", "65536", "-1"]))
def test_what_is_no_port_is_named(value: str) -> None:
    if value == "":
        return
    with pytest.raises(StackError, match="KIZUNA_INGEST_PORT"):
        plan_of({"KIZUNA_INGEST_PORT": value}, Path("/nowhere"))


def test_one_port_for_two_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="KIZUNA_HEALTH_PORT and KIZUNA_INGEST_PORT"):
        plan_of({"KIZUNA_INGEST_PORT": "9000", "KIZUNA_HEALTH_PORT": "9000"}, tmp_path)


@pytest.mark.parametrize("name", SERVERS)
@given(host=st.sampled_from(["db.example", "127.0.0.2", "10.0.0.1"]), port=st.integers(1, 65535))
def test_other_peoples_servers_are_external(name: str, host: str, port: int) -> None:
    value = SERVERS[name][0].format(f"{host}:{port}")
    assert external({name: value}, name, 8092) == value


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_shell_that_sourced_the_env_file_names_no_external_server(name: str, host: str, tmp_path: Path) -> None:
    pattern, part = SERVERS[name]
    plan = plan_of({name: pattern.format(f"{host}:{PORTS[part]}")}, tmp_path)
    assert (plan.kafka, plan.database) == (None, None)
    assert external({}, name, 1) is None
    assert external({name: ""}, name, 1) is None


def test_external_servers_are_taken_over(tmp_path: Path) -> None:
    environ = {name: pattern.format("far.example:1234") for name, (pattern, _) in SERVERS.items()}
    plan = plan_of(environ, tmp_path)
    assert plan.bootstrap_servers == "far.example:1234"
    assert plan.database == environ["DATABASE_URL"]


def test_the_environment_chooses_the_broker(tmp_path: Path) -> None:
    kinds = [plan_of(environ, tmp_path).broker for environ in ({}, {"KAFKA": ""}, {"KAFKA": "apache"})]
    assert kinds == [EMBEDDED, EMBEDDED, APACHE]
    with pytest.raises(StackError, match=r"KAFKA=apatchy is no broker .*: embedded or apache"):
        plan_of({"KAFKA": "apatchy"}, tmp_path)


def test_only_a_broker_in_memory_is_small_and_forgets(tmp_path: Path) -> None:
    plans = [Plan(tmp_path, PORTS), Plan(tmp_path, PORTS, broker=APACHE), Plan(tmp_path, PORTS, kafka="far:9092")]
    assert [plan.partitions({}) for plan in plans] == [4, 12, 12]
    assert [plan.broker_forgets for plan in plans] == [True, False, False]


def test_a_running_stack_is_found_without_its_environment(tmp_path: Path) -> None:
    plan = Plan(tmp_path, {**PORTS, "ingest": 9001}, kafka="far.example:9092", broker=APACHE)
    plan.save()
    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600
    assert plan_of({}, tmp_path).ports == PORTS, "nothing runs: what was saved is a left-over"
    program = Program("ingest", ("sleep", "60"), tmp_path, tied=True)
    program.start()
    try:
        assert plan_of({variable("ingest"): "7777"}, tmp_path) == replace(plan, modules=dict(plan.modules))
    finally:
        program.stop()
    plan.forget()
    assert not list((tmp_path / "pid").iterdir())
