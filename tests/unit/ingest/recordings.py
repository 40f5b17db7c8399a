"""The requests that SDKs were recorded to make, and ways to make small ones of one's own."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.ingest.origin import Origin

FOLDER = Path(__file__).parents[2] / "data" / "sdk_requests"
RECEIVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True)
class Recorded:
    """One recorded request; `wire` is its body as it was sent, compressed again where it was."""

    path: str
    headers: dict[str, str]
    calls: list[dict[str, Any]]
    wire: bytes


def recordings() -> list[str]:
    return sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.jsonl"))


def requests(name: str) -> Iterator[Recorded]:
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        headers = {key.lower(): value for key, value in said["headers"]}
        body = json.dumps(said["body"]).encode()
        wire = gzip.compress(body) if headers.get("content-encoding") == "gzip" else body
        kept = {key: headers[key] for key in ("content-type", "content-encoding", "user-agent") if key in headers}
        yield Recorded(said["request_line"].split()[1], kept, said["body"]["batch"], wire)


def origin(route: str = "batch", *, sent: datetime | None = None, backdate: bool = False) -> Origin:
    return Origin(route, "shop", RECEIVED, TRACE, backdate, sent)


def call(**fields: Any) -> bytes:
    usual = {"type": "track", "event": "Login", "userId": "u1", "messageId": "m1", "context": {"groupId": "a1"}}
    return json.dumps({key: value for key, value in (usual | fields).items() if value is not ...}).encode()
