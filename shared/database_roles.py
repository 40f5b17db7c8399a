"""Which database role belongs to which service: `kizuna_<service>`, owner of the schema named like the service."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

SERVICES: Final = ("ingest", "health", "revenue", "alerts")


def role_of(service: str) -> str:
    """Return the role of `service`, which owns that service's schema and nothing else."""
    return f"kizuna_{service}"


def password_variable(service: str) -> str:
    """Return the environment variable that tells the migration step the role's password."""
    return f"KIZUNA_{service.upper()}_DB_PASSWORD"


def service_url(admin_url: str, service: str, password: str) -> str:
    """Return the URL under which `service` reaches the administrator's database as its own role."""
    parts = urlsplit(admin_url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role_of(service)}:{quote(password, safe='')}@{place}").geturl()
