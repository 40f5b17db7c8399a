"""Owns docs/api: an OpenAPI document per service, from the routes themselves; nothing is started or connected.

`python -m deploy.openapi` writes them, `--check` fails when they are not what would be written. It lives here because
it knows all services, which `shared` must not.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from services.alerts import app as alerts
from services.alerts.settings import Settings as AlertsSettings
from services.health import app as health
from services.health.settings import Settings as HealthSettings
from services.ingest import app as ingest
from services.ingest import described
from services.ingest.api import Desk, build_api
from services.ingest.publish import Intake
from services.ingest.settings import Settings as IngestSettings
from services.revenue import app as revenue
from services.revenue.settings import Settings as RevenueSettings
from shared.access import Access
from shared.consuming import Service, build_app, wire
from shared.db import Database
from shared.http import Kit, routes_of
from shared.roles import RANK, ROLES

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.settings import ServiceSettings

FOLDER: Final = Path(__file__).parents[1] / "docs" / "api"
NOWHERE: Final = {
    "database_url": "postgresql://nobody@nowhere/none",
    "kafka": {"bootstrap_servers": "nowhere:1"},
    "KIZUNA_PUBLIC_KEY_FILE": os.devnull,
}
"""Settings that are valid and lead nowhere: what is built with them is looked at, never run."""

ERROR: Final = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "Stable; made for programs."},
        "message": {"type": "string", "description": "Names the remedy; made for people."},
    },
}
TOKEN: Final = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT (EdDSA)"}
REFUSED: Final = {
    "description": "Refused, or not possible now",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def documents() -> dict[str, str]:
    """Return the text of every generated file by its name."""
    consuming: tuple[tuple[Service, ServiceSettings], ...] = (
        (health.build(found := HealthSettings.model_validate(NOWHERE)), found),
        (revenue.build(known := RevenueSettings.model_validate(NOWHERE)), known),
        (alerts.build(told := _alerts_settings(), {}), told),
    )
    apps = {service.name: build_app(service, _wired(service, settings)) for service, settings in consuming}
    apps["ingest"] = _ingest()
    return {f"{name}.json": _text(_document(name, app)) for name, app in sorted(apps.items())}


def main(arguments: list[str]) -> int:
    """Write the documents, or with `--check` name those that are stale. Returns the exit code."""
    wanted = documents()
    written = {path.name for path in FOLDER.glob("*")}
    if "--check" not in arguments:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in written - wanted.keys():
            (FOLDER / name).unlink()
        for name, text in wanted.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    stale = sorted((written - wanted.keys()) | {name for name, text in wanted.items() if _on_disk(name) != text})
    if stale:
        sys.stderr.write(f"stale in docs/api: {', '.join(stale)}; run python -m deploy.openapi\n")
    return 1 if stale else 0


def _on_disk(name: str) -> str | None:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def _alerts_settings() -> AlertsSettings:
    somebody = {"link_secret": "leads nowhere, too", "smtp_url": "smtp://nowhere", "team_mail": "team@nowhere"}
    return AlertsSettings.model_validate(NOWHERE | somebody)


def _wired(service: Service, settings: ServiceSettings) -> Any:
    return wire(service, settings, Database(settings.database_url))


def _ingest() -> FastAPI:
    built = ingest.build(IngestSettings.model_validate(NOWHERE))
    intake = Intake(built.database, built.publisher, 1, lambda _: None)
    return build_api(Desk(built.database, built.publisher, intake, built.keys), Kit(Access("")))


def _document(service: str, app: FastAPI) -> dict[str, Any]:
    app.version = version("kizuna")
    document = app.openapi()
    parts = document.setdefault("components", {})
    parts["securitySchemes"] = {"token": TOKEN}
    if service == "ingest":
        document["paths"] |= described.paths()
        parts["securitySchemes"] |= described.KEY_SCHEMES
        parts.setdefault("schemas", {}).update(described.schemas())
    parts["schemas"] = {name: each for name, each in parts.get("schemas", {}).items() if "Validation" not in name}
    parts["schemas"]["Error"] = ERROR
    roles = _roles(service, app)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _finish(operation, roles[f"{method.upper()} {path}"])
    return document


def _roles(service: str, app: FastAPI) -> dict[str, str]:
    """Return who may call what, by method and path as OpenAPI writes it."""
    known = {f"{m} {r.path_format}": app.state.roles[f"{m} {r.path}"] for r in routes_of(app) for m in r.methods or ()}
    return {**ROLES[service], **known}


def _finish(operation: dict[str, Any], role: str) -> None:
    """Say who may call it and how it refuses: as {"code", "message"}, never in the framework's own shape."""
    operation["responses"].pop("422", None)
    operation.pop("operationId", None)
    operation["x-kizuna-role"] = role
    if role in RANK:
        operation["security"] = [{"token": []}]
    elif role == "key":
        operation["security"] = [{name: []} for name in described.KEY_SCHEMES]
    if role != "open":
        operation["responses"]["default"] = REFUSED


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
