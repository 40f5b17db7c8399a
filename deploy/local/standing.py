"""Owns the answer to "how does the local stack stand?", part by part."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx

from deploy.local import credentials
from deploy.local.drain import backlog
from deploy.local.plan import DRAINED, plan_of
from deploy.local.processes import Program

if TYPE_CHECKING:
    from deploy.local.plan import Plan


@dataclass(frozen=True, slots=True)
class Standing:
    """How one part stands: `state` is `ready`, `not ready`, `stopped` or `external`."""

    name: str
    state: str
    where: str
    note: str = ""


def status(plan: Plan | None = None) -> list[Standing]:
    """Return how every part stands, servers first."""
    plan = plan or plan_of(os.environ)
    broker = _server(plan, "kafka", plan.kafka, "broker")
    servers = [
        _server(plan, "postgres", plan.database and plan.database.rpartition("@")[2]),
        replace(broker, note=f"{plan.broker}, {broker.note}") if broker.state == "ready" else broker,
    ]
    token = credentials.admin_token(plan.folder)
    with httpx.Client(timeout=3, headers={"authorization": f"Bearer {token}"}) as client:
        return servers + [_standing(plan, name, client) for name in plan.modules]


def readiness(client: httpx.Client, url: str) -> str:
    """Return why a service is not ready, or "" when it is."""
    try:
        answer = client.get(f"{url}/readyz")
    except httpx.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    return "" if answer.is_success else f"{url}/readyz says {answer.status_code} {answer.text[:300]}"


def _server(plan: Plan, part: str, given: str | None, name: str = "postgres") -> Standing:
    if given:
        return Standing(name, "external", given)
    pid = Program(name, (), plan.folder).pid()
    where = f"127.0.0.1:{plan.ports[part]}"
    return Standing(name, "ready" if pid else "stopped", where, f"process {pid}" if pid else "")


def _standing(plan: Plan, name: str, client: httpx.Client) -> Standing:
    program = Program(name, (), plan.folder)
    pid = program.pid()
    if not pid:
        return Standing(name, "stopped", plan.url(name))
    reason = readiness(client, plan.url(name))
    if reason:
        return Standing(name, "not ready", plan.url(name), f"process {pid}: {reason}; see {program.log}")
    known = backlog(client, name, plan.url(name)) if name in DRAINED else None
    note = f", {known.lag} to read, {known.outbox} to send" if known and known.lag is not None else ""
    return Standing(name, "ready", plan.url(name), f"process {pid}{note}")
