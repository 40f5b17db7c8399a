"""Owns the local stack as a whole: `up` in order, `down` without losing anything.

Order: PostgreSQL, broker, topics, migrations, then services and inbox at once. Both may be called again at any time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from operator import methodcaller
from typing import TYPE_CHECKING, Final

import httpx

from deploy.local import credentials, programs, report
from deploy.local.drain import drain
from deploy.local.jars import provide
from deploy.local.plan import APACHE, DRAINED, Plan, plan_of, variable
from deploy.local.ports import require_free
from deploy.local.processes import Program, StackError, wait_for
from deploy.local.progress import say
from deploy.local.standing import readiness
from deploy.local.topics import broker_of, make_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

_UP_SECONDS: Final = 48.0  # leaves time to stop again within the minute that `up` may take
_DRAIN_SECONDS: Final = 30.0
_POLITE_DRAIN_SECONDS: Final = 10.0  # where nothing is lost: only so that the next start finds nothing old
_SERVERS: Final = ("postgres", "broker")


def up(plan: Plan | None = None) -> Plan:
    """Start what is missing and return when all of it is ready.

    Raises StackError, naming reason and remedy, within 60 s; whatever this call started is stopped again then.
    """
    plan = plan or plan_of(os.environ)
    with _alone(plan):
        missing = [program for program in _programs(plan) if not program.pid()]
        for program in missing:
            _require_ports(plan, program.name)
        if plan.broker == APACHE and not plan.kafka:
            provide()  # before the clock runs: the first time it downloads
        plan.save()
        try:
            _start(plan)
        except BaseException:
            _stop_in_order(missing)
            if not running_parts(plan):
                plan.forget()
            raise
    return plan


def down(plan: Plan | None = None) -> None:
    """Stop ingest, let the others finish what is on its way, stop everything that this stack started.

    Raises StackError when something was lost or had to be killed; everything is stopped all the same.
    """
    plan = plan or plan_of(os.environ)
    with _alone(plan):
        running = running_parts(plan)
        if not running:
            say("stack", "is not running")
        ingest = [program for program in running if program.name == "ingest"]
        trouble = _stop(ingest)
        trouble += _drain(plan, {program.name for program in running})
        trouble += _stop_in_order([program for program in running if program.name != "ingest"])
        report.env_file(plan).unlink(missing_ok=True)
        plan.forget()
    if trouble:
        raise StackError("\n".join(trouble))


def running_parts(plan: Plan) -> list[Program]:
    """Return the processes of the stack that run, in the order in which they were started."""
    return [program for program in _programs(plan) if program.pid()]


def _programs(plan: Plan) -> list[Program]:
    """Return every process of the stack in the order in which they start."""
    servers = [] if plan.database else [programs.postgres(plan).program]
    servers += [] if plan.kafka else [programs.broker(plan).program]
    return servers + [Program(name, (), plan.folder) for name in plan.modules]


def _require_ports(plan: Plan, name: str) -> None:
    parts = {"broker": ("kafka",), "inbox": ("inbox", "smtp")}.get(name, (name,))
    for part in parts:
        require_free(part, plan.ports[part], variable(part))


def _start(plan: Plan) -> None:
    began = time.monotonic()
    if not plan.database:
        programs.postgres(plan).start()
    say("postgres", plan.database.rpartition("@")[2] if plan.database else f"port {plan.ports['postgres']}")
    if not plan.kafka:
        programs.broker(plan).start()
    say("broker", f"{plan.bootstrap_servers} ({'external' if plan.kafka else plan.broker})")
    say("topics", f"{_make_topics(plan)} there")
    _migrate(plan)
    services = [programs.service(plan, name) for name in plan.modules]
    for program in services:
        program.start()
    _await_ready(plan, services, _UP_SECONDS - (time.monotonic() - began))
    token = credentials.admin_token(plan.folder)
    report.write_env(plan, token, credentials.write_key(plan, token))
    say("ready", f"after {time.monotonic() - began:.1f} s")


def _make_topics(plan: Plan) -> int:
    environ = {**os.environ, "KIZUNA_PARTITIONS": str(plan.partitions(os.environ))}
    return asyncio.run(make_topics(broker_of(programs.kafka(plan)), environ))


def _migrate(plan: Plan) -> None:
    command, environment = programs.migration(plan)
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StackError(done.stderr.strip())
    say("migrations", "up to date")


def _await_ready(plan: Plan, services: list[Program], patience: float) -> None:
    waiting = {program.name: program for program in services}
    answers: dict[str, str] = {}

    def all_ready() -> bool:
        for name, program in list(waiting.items()):
            if program.pid() is None:
                raise StackError(f"{name} ended while starting.\n{program.last_words()}")
            answers[name] = readiness(client, plan.url(name))
            if not answers[name]:
                say(name, plan.url(name))
                del waiting[name]
        return not waiting

    with httpx.Client(timeout=2) as client:
        if not wait_for(all_ready, patience, every=0.1):
            reasons = [f"{name}: {answers[name]}\n{program.last_words()}" for name, program in waiting.items()]
            raise StackError(f"Not ready within {_UP_SECONDS:.0f} s:\n" + "\n".join(reasons))


def _drain(plan: Plan, running: set[str]) -> list[str]:
    """Wait until everything is read and sent; returns a line on each service that loses something with the broker."""
    if "broker" not in running:
        return []
    say("drain", "waiting until everything is read and sent")
    consumers: dict[str, str] = {name: plan.url(name) for name in DRAINED if name in running}
    forgets = plan.broker_forgets
    patience = _DRAIN_SECONDS if forgets else _POLITE_DRAIN_SECONDS
    rest = drain(consumers, credentials.admin_token(plan.folder), patience)
    left = {name: each.left(forgets=forgets) for name, each in rest.items()}
    if forgets:
        left |= {name: "does not run; what it has not read is lost" for name in DRAINED if name not in running}
        return [f"{name}: {what}" for name, what in left.items()]
    for name, what in left.items():
        say(name, what)
    return []


def _stop(running: list[Program]) -> list[str]:
    """Stop processes, all at once; returns a line on each that had to be killed."""
    with ThreadPoolExecutor() as pool:
        willing = list(pool.map(methodcaller("stop"), running))
    for program in running:
        say(program.name, "stopped")
    return [
        f"{program.name} did not stop when asked to and was killed; see {program.log}"
        for program, went in zip(running, willing, strict=True)
        if not went
    ]


def _stop_in_order(running: list[Program]) -> list[str]:
    """Stop services before the servers that they write to."""
    servers = [program for program in running if program.name in _SERVERS]
    return _stop([program for program in running if program.name not in _SERVERS]) + _stop(servers)


@contextmanager
def _alone(plan: Plan) -> Iterator[None]:
    """Let no other `up` or `down` of this folder run at the same time."""
    plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (plan.folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError("Another `up` or `down` of this checkout is running; wait until it has ended.") from None
        yield
