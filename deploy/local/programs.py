"""Owns how the parts of the stack become processes: what is started, and what each is told by its environment."""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from deploy.local import credentials
from deploy.local.apache import ApacheBroker
from deploy.local.broker import Broker
from deploy.local.plan import APACHE, ARCHIVE, EMBEDDED, variable
from deploy.local.ports import HOST
from deploy.local.postgres import Postgres
from deploy.local.processes import Program
from shared.database_roles import password_variable, service_url
from shared.settings import KAFKA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.local.plan import Plan

PYTHON: Final = sys.executable
BROKERS: Final[Mapping[str, type[Broker | ApacheBroker]]] = MappingProxyType({EMBEDDED: Broker, APACHE: ApacheBroker})
# On one machine nobody waits for a network: members that vanish are noticed sooner, and usage is looked at more often.
_PACE: Final = MappingProxyType(
    {"KIZUNA_SESSION_SECONDS": "4", "KIZUNA_HEALTH_USAGE_PAUSE": "15", "KIZUNA_ARCHIVE_FLUSH_SECONDS": "30"}
)
# What a shell that sourced .run/env holds and no service may see.
_PRIVATE = ("DATABASE_URL", "KIZUNA_TOKEN", "KIZUNA_WRITE_KEY", "KIZUNA_PRIVATE_KEY_FILE")


def postgres(plan: Plan) -> Postgres:
    """Return the stack's own server, which may be unused."""
    return Postgres(plan.folder, plan.ports["postgres"])


def broker(plan: Plan) -> Broker | ApacheBroker:
    """Return the stack's own broker, which may be unused."""
    return BROKERS[plan.broker](plan.folder, plan.ports["kafka"])


def database_url(plan: Plan) -> str:
    """Return the administrator's URL of the database that the stack uses."""
    return plan.database or postgres(plan).url()


def kafka(plan: Plan) -> dict[str, str]:
    """Return what is said of the broker that the stack uses, and of how to get into it."""
    return {**plan.access, "KAFKA_BOOTSTRAP_SERVERS": plan.bootstrap_servers}


def service(plan: Plan, name: str) -> Program:
    """Return a service, or the inbox, as a process; names are those of `plan.modules`."""
    # -P: with the working directory on the path, another checkout's code could be started.
    command = (PYTHON, "-P", "-m", plan.modules[name])
    own = {"inbox": _inbox, ARCHIVE: _archive}.get(name)
    return Program(name, command, plan.folder, own(plan) if own else _service(plan, name))


def rebuild(plan: Plan, name: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command that builds a service's empty schema from the archive, and its environment."""
    own = {"KIZUNA_ARCHIVE_STORE": plan.archive}
    return (PYTHON, "-P", "-m", plan.modules[name], "rebuild"), {**_service(plan, name), **own}


def migration(plan: Plan, *arguments: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the migration step: the command, and the environment that names administrator and passwords."""
    words = {password_variable(name): word for name, word in credentials.passwords(plan.folder).items()}
    return (PYTHON, "-P", "-m", "shared.migrate", *arguments), _inherited() | words | {
        "DATABASE_URL": database_url(plan)
    }


def _service(plan: Plan, name: str) -> Mapping[str, str]:
    url = service_url(database_url(plan), name, credentials.passwords(plan.folder)[name])
    own = {
        variable(name): str(plan.ports[name]),
        f"KIZUNA_{name.upper()}_DATABASE_URL": url,
        "KIZUNA_PARTITIONS": str(plan.partitions(os.environ)),
        "KIZUNA_PUBLIC_KEY_FILE": str(credentials.public_key_file(plan.folder)),
    }
    return dict(_PACE) | _inherited() | kafka(plan) | (_stand_ins(plan) if name == "alerts" else {}) | own


def _stand_ins(plan: Plan) -> dict[str, str]:
    """Tell alerts to deliver to the local inbox; a real Slack token or mail server in the environment replaces it."""
    slack = {
        "KIZUNA_ALERTS_SLACK_TOKEN": "xoxb-local",
        "KIZUNA_ALERTS_SLACK_URL": f"{plan.url('inbox')}/api/",
        "KIZUNA_ALERTS_TEAM_CHANNEL": "#customer-success",
    }
    mail = {
        "KIZUNA_ALERTS_SMTP_URL": f"smtp://{HOST}:{plan.ports['smtp']}",
        "KIZUNA_ALERTS_TEAM_MAIL": "customer-success@vendor.example",
    }
    own = {
        "KIZUNA_ALERTS_LINK_SECRET": credentials.secret(plan.folder, "alert_links"),
        "KIZUNA_ALERTS_PUBLIC_URL": plan.url("alerts"),
    }
    for stand_in in (slack, mail):
        if not os.environ.get(next(iter(stand_in))):
            own |= stand_in
    return own | {name: os.environ[name] for name in own if os.environ.get(name)}


def _archive(plan: Plan) -> Mapping[str, str]:
    own = {
        variable(ARCHIVE): str(plan.ports[ARCHIVE]),
        "KIZUNA_ARCHIVE_STORE": plan.archive,
    }
    return dict(_PACE) | _inherited() | kafka(plan) | own


def _inbox(plan: Plan) -> Mapping[str, str]:
    return _inherited() | {variable(part): str(plan.ports[part]) for part in ("inbox", "smtp")}


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _PRIVATE and not name.startswith(KAFKA)}
