"""Whole stacks on free ports: of stand-in services for the stack's own tests, of the real ones for end-to-end tests."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cli.environment import parse
from deploy.local import report, stack
from deploy.local.plan import EMBEDDED, MODULES, PORTS, Plan, plan_of, variable
from deploy.local.ports import free_ports

NewPlan = Callable[[], Plan]


def free_plan(folder: Path) -> Plan:
    """Return a plan for the real services on ports that are free now; external servers of the environment count."""
    given = {
        name: os.environ[name] for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "KAFKA") if name in os.environ
    }
    ports = {variable(part): str(port) for part, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    return plan_of(given | ports, folder)


@pytest.fixture
def new_plan(tmp_path: Path) -> Iterator[NewPlan]:
    """Make plans for stacks of stand-in services with servers of their own; all are taken down afterwards."""
    plans: list[Plan] = []

    def make() -> Plan:
        stubs = dict.fromkeys(MODULES, "tests.integration.local.stub")
        plan = replace(
            free_plan(tmp_path / f"stack{len(plans)}"), modules=stubs, kafka=None, database=None, broker=EMBEDDED
        )
        plans.append(plan)
        return plan

    yield make
    for plan in plans:
        stack._stop_in_order(stack.running_parts(plan))


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Everything, really running, once for all tests that ask; yields what `.run/env` says. Accounts are shared."""
    plan = free_plan(tmp_path_factory.mktemp("stack"))
    stack.up(plan)
    try:
        yield parse(report.env_file(plan).read_text())
    finally:
        stack.down(plan)
