"""The stack as a whole, with stand-in services: real servers, real processes, real ports."""

import os
import socket
from asyncio import to_thread
from dataclasses import replace
from functools import partial

import psutil
import pytest

from cli.environment import parse
from deploy.local import credentials, programs, report, stack
from deploy.local.plan import MODULES, Plan, plan_of, variable
from deploy.local.ports import HOST, answers
from deploy.local.processes import Program, StackError
from deploy.local.standing import status
from shared.cluster import Cluster
from shared.kafka_admin import describe
from tests.plugins.stack import NewPlan

EVERYTHING = {"postgres", "broker", *MODULES}


def states(plan: Plan) -> dict[str, str]:
    return {part.name: part.state for part in status(plan)}


def pids(plan: Plan) -> dict[str, int | None]:
    return {name: Program(name, (), plan.folder).pid() for name in EVERYTHING}


def left_behind(plan: Plan) -> list[str]:
    """Return processes that mention the stack's folder or ports, and ports that still answer."""
    words = [str(plan.folder), *(f":{port}" for port in plan.ports.values())]
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    found = [line for line in lines if any(word in line for word in words)]
    return found + [part for part, port in plan.ports.items() if answers(port)]


def test_up_is_ready_and_down_leaves_nothing(new_plan: NewPlan) -> None:
    plan = new_plan()
    stack.up(plan)
    assert states(plan) == dict.fromkeys(EVERYTHING, "ready")
    values = parse(report.env_file(plan).read_text())
    assert values["KIZUNA_WRITE_KEY"] == "kz_stub"
    assert values["KIZUNA_INGEST_URL"] == plan.url("ingest")
    assert {path.name for path in (plan.folder / "log").iterdir()} == {f"{name}.log" for name in EVERYTHING}
    stack.down(plan)
    assert states(plan) == dict.fromkeys(EVERYTHING, "stopped")
    assert left_behind(plan) == []
    assert not report.env_file(plan).exists()
    stack.down(plan)  # nothing runs: nothing to do, and no failure


def test_up_again_starts_only_what_is_missing(new_plan: NewPlan) -> None:
    plan = new_plan()
    stack.up(plan)
    before = pids(plan)
    assert Program("health", (), plan.folder).stop()
    os.environ.pop("DATABASE_URL", None)
    stack.up(plan_of({}, plan.folder))  # ports and modules are those that it was started with
    after = pids(plan)
    assert {name for name in EVERYTHING if before[name] != after[name]} == {"health"}
    assert states(plan) == dict.fromkeys(EVERYTHING, "ready")


def test_two_stacks_side_by_side(new_plan: NewPlan) -> None:
    one, two = new_plan(), new_plan()
    stack.up(one)
    stack.up(two)
    stack.down(one)
    assert set(states(one).values()) == {"stopped"}
    assert set(states(two).values()) == {"ready"}


def test_a_taken_port_stops_up_before_anything_is_started(new_plan: NewPlan) -> None:
    plan = new_plan()
    with socket.create_server((HOST, plan.ports["revenue"])), pytest.raises(StackError, match=variable("revenue")):
        stack.up(plan)
    assert set(pids(plan).values()) == {None}
    assert not (plan.folder / "postgres").exists()


def test_a_service_that_crashes_is_named_and_the_others_are_stopped(
    new_plan: NewPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = new_plan()
    monkeypatch.setenv("KIZUNA_STUB_HEALTH", "crash")
    with pytest.raises(StackError, match=r"health ended while starting(?s:.*)stub crashes as it was told to"):
        stack.up(plan)
    assert left_behind(plan) == []
    monkeypatch.delenv("KIZUNA_STUB_HEALTH")
    stack.up(plan)
    assert set(states(plan).values()) == {"ready"}


def test_what_already_ran_survives_a_failed_up(new_plan: NewPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = new_plan()
    stack.up(plan)
    before = pids(plan)
    Program("alerts", (), plan.folder).stop()
    monkeypatch.setenv("KIZUNA_STUB_ALERTS", "crash")
    with pytest.raises(StackError, match="alerts ended"):
        stack.up(plan)
    assert pids(plan) == {**before, "alerts": None}


def test_a_service_that_does_not_get_ready_is_reported_with_its_own_reason(
    new_plan: NewPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(new_plan(), database="postgresql://admin@127.0.0.1:1/kizuna")
    monkeypatch.setenv("KIZUNA_STUB_REVENUE", "unready")
    revenue = programs.service(plan, "revenue")
    revenue.start()
    revenue.await_ready(lambda: answers(plan.ports["revenue"]), 30)
    with pytest.raises(StackError, match=r"revenue: .*/readyz says 503 .*stub says no(?s:.*)REVENUE starts"):
        stack._await_ready(plan, [revenue], 0.5)


def test_what_was_not_read_in_time_is_named_as_lost(new_plan: NewPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = new_plan()
    monkeypatch.setenv("KIZUNA_STUB_ALERTS", "lagging")
    monkeypatch.setattr(stack, "_DRAIN_SECONDS", 1.0)
    stack.up(plan)
    with pytest.raises(StackError, match="alerts: 7 records not read are lost"):
        stack.down(plan)
    assert left_behind(plan) == [], "it is stopped all the same"


def test_a_consumer_that_is_gone_at_down_cannot_vouch_for_anything(new_plan: NewPlan) -> None:
    plan = new_plan()
    stack.up(plan)
    Program("health", (), plan.folder).stop()
    with pytest.raises(StackError, match="health: does not run; what it has not read is lost"):
        stack.down(plan)


def test_a_service_that_ignores_the_signal_is_killed_and_named(
    new_plan: NewPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = new_plan()
    monkeypatch.setenv("KIZUNA_STUB_INGEST", "stubborn")
    monkeypatch.setattr(stack, "Program", partial(Program, patience=0.5))
    stack.up(plan)
    with pytest.raises(StackError, match="ingest did not stop when asked to and was killed"):
        stack.down(plan)
    assert left_behind(plan) == []


async def test_servers_of_others_are_used_and_left_alone(
    new_plan: NewPlan, database_url: str, bootstrap_servers: str, topic_prefix: str
) -> None:
    usage = f"{topic_prefix}usage.v1"
    plan = replace(new_plan(), kafka=bootstrap_servers, database=database_url)
    for password in credentials.passwords(plan.folder):
        credentials.write_private(plan.folder / "secrets" / f"{password}.password", "secret\n")  # as by hand
    await to_thread(stack.up, plan)
    assert states(plan)["postgres"] == states(plan)["broker"] == "external"
    assert database_url.rpartition("@")[2] in {part.where for part in status(plan)}
    assert (await describe(Cluster(bootstrap_servers), [usage])).partitions[usage] > 0
    await to_thread(stack.down, plan)
    assert left_behind(plan) == []
    assert await describe(Cluster(bootstrap_servers), [])


def test_up_and_down_exclude_one_another(new_plan: NewPlan) -> None:
    plan = new_plan()
    with stack._alone(plan), pytest.raises(StackError, match="Another `up` or `down`"):
        stack.down(plan)
