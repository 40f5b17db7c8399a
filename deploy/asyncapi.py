"""Owns docs/asyncapi.json: every topic with its messages, who sends and who receives, from the catalog of events.

`python -m deploy.asyncapi` writes it, `--check` fails when it is not what would be written. The schemas of messages are
those of docs/events, referred to and not repeated.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from deploy.local.topics import BACKFILL, READ_BY
from services.ingest.items import OPEN_TOPICS
from shared.events.catalog import TYPES, EventType
from shared.events.schemas import SUFFIX

FILE: Final = Path(__file__).parents[1] / "docs" / "asyncapi.json"
WRITTEN_BY: Final[dict[str, tuple[str, ...]]] = {
    "ingest": (*sorted(OPEN_TOPICS), BACKFILL),
    "health": ("health.v1", "signals.v1"),
    "revenue": ("revenue.v1",),
    "alerts": ("alerts.v1",),
}
DEAD_LETTER: Final = "dead_letter"
TRACE: Final = {"traceparent": {"type": "string", "description": "W3C trace context of the event"}}
LETTER_HEADERS: Final = {
    "reason": {"type": "string", "description": "Why it was refused; stable, made for programs"},
    "message": {"type": "string", "description": "The same for people"},
    "place": {"type": "string", "description": "cluster/topic/partition/offset where it lay"},
    "null": {"enum": ["key", "value"], "description": "Which part is null; a header for each"},
}
KEY: Final = {"type": "string", "description": "The account id, in UTF-8; records are partitioned by it (murmur2)"}


def document() -> dict[str, Any]:
    """Return the document."""
    topics = [topic for written in WRITTEN_BY.values() for topic in written]
    dead = {service: [f"{topic}.{service}.dlq" for topic in read(service)] for service in READ_BY}
    channels = {topic: _channel(topic, types_on(topic)) for topic in topics}
    channels |= {topic: _channel(topic, [DEAD_LETTER]) for each in dead.values() for topic in each}
    operations = {f"{who}.sends.{topic}": _operation("send", topic) for who in WRITTEN_BY for topic in WRITTEN_BY[who]}
    operations |= {f"{who}.sends.{topic}": _operation("send", topic) for who in dead for topic in dead[who]}
    operations |= {f"{who}.receives.{topic}": _operation("receive", topic) for who in READ_BY for topic in read(who)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kizuna",
            "version": version("kizuna"),
            "description": "The topics between Kizuna's services. A deployment may put a prefix before every address.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": {kind.name: _message(kind) for kind in TYPES.values()} | {DEAD_LETTER: _letter()}},
    }


def read(service: str) -> list[str]:
    """Return the topics that a service reads."""
    return [*READ_BY[service], BACKFILL]


def types_on(topic: str) -> list[str]:
    """Return the types that a topic carries: history has all that are taken from outside."""
    return [
        kind.name for kind in TYPES.values() if kind.topic == topic or (topic == BACKFILL and kind.topic in OPEN_TOPICS)
    ]


def main(arguments: list[str]) -> int:
    """Write the document, or with `--check` say whether it is stale. Returns the exit code."""
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("docs/asyncapi.json is stale; run python -m deploy.asyncapi\n")
    return 1


def _channel(topic: str, messages: list[str]) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, topic: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def _message(kind: EventType) -> dict[str, Any]:
    return {
        "name": kind.name,
        "summary": (kind.data.__doc__ or "").strip().removeprefix(f"`{kind.name}`: ").partition("\n")[0],
        "headers": {"type": "object", "properties": TRACE},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"events/{kind.name}{SUFFIX}"},
        },
        "examples": [{"payload": json.loads(kind.example.read_text(encoding="utf-8"))}],
        "bindings": {"kafka": {"key": KEY, "bindingVersion": "0.5.0"}},
    }


def _letter() -> dict[str, Any]:
    return {
        "name": DEAD_LETTER,
        "summary": "A record that the service refused: key and value as they were, whatever they are",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "required": ["reason", "message", "place"], "properties": LETTER_HEADERS},
        "payload": {},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
