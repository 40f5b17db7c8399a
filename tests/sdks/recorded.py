"""Sends the requests that SDKs were recorded to make, byte for byte but for address and key, and judges the answers.

The rules are those by which no SDK sends again: 200 and nothing else for what was taken (rudder-sdk-python repeats on
202, 204 and 207), no redirect (segment's SDK for Node takes one for success), `code` and `message` in every error
(rudder-sdk-python repeats without them).
"""

from __future__ import annotations

import gzip
import http.client
import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT.parent / "shared" / "requests", ROOT / "tests" / "data" / "sdk_requests")  # all of them, a selection


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `headers` in the order in which they are sent."""

    name: str
    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""
    events: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as an object; empty if it is none."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) and self.content_type.startswith("application/json") else {}


def recordings() -> list[Path]:
    """Return the recordings: all where they lie beside the checkout, else the selection that comes with it."""
    folder = next(folder for folder in FOLDERS if folder.is_dir())
    return sorted(folder.rglob("*.jsonl"))


def requests(recording: Path, address: str, key: str) -> Iterator[Request]:
    """Rebuild the requests of a recording for another server (`host:port`) and another key."""
    for line in recording.read_text().splitlines():
        said = json.loads(line)
        method, path, _ = said["request_line"].split()
        given = {name.lower(): value for name, value in said["headers"]}
        named = said["body"] | ({"writeKey": key} if "writeKey" in said["body"] else {})
        body = json.dumps(named, separators=_spacing(said)).encode()
        wire = gzip.compress(body) if given.get("content-encoding") == "gzip" else body
        ours = {"host": address, "authorization": basic(key), "content-length": str(len(wire))}
        headers = [(name, ours.get(name.lower(), value)) for name, value in said["headers"]]
        yield Request(recording.stem, method, path, headers, wire, len(said["body"]["batch"]))


def basic(key: str) -> str:
    """Return the value of an Authorization header: the key as user, no password."""
    return "Basic " + b64encode(f"{key}:".encode()).decode()


def send(request: Request, url: str) -> Answer:
    """Send exactly what the request says, no header more."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)
    try:
        connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value)
        connection.endheaders(request.body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("content-type", ""), answer.read())
    finally:
        connection.close()


def fault(request: Request, answer: Answer) -> str | None:
    """Say what about the answer to a recorded request would make an SDK send it again or lose events."""
    said = answer.json()
    if answer.status != http.client.OK:
        return f"{request.name}: answered {answer.status} instead of 200: {answer.body[:200]!r}"
    if not said:
        return f"{request.name}: answered 200 without a JSON object: {answer.body[:200]!r}"
    if not said.get("success") or said.get("received") != request.events or said.get("rejected") != []:
        return f"{request.name}: not all of {request.events} events were taken: {said}"
    return None


def refusals(address: str, key: str) -> list[tuple[Request, int]]:
    """Return requests that must be refused, and the status of the refusal."""

    def ask(name: str, body: bytes, key: str, *extra: tuple[str, str], to: str = "POST /v1/batch") -> Request:
        method, path = to.split()
        usual = ("Host", address), ("Authorization", basic(key)), ("Content-Length", str(len(body)))
        return Request(name, method, path, [*usual, *extra], body)

    empty = b'{"batch": []}'
    return [
        (ask("a key that does not exist", empty, "kz_wrong"), 401),
        (ask("a body that is not JSON", b"{", key), 400),
        (ask("a body without a batch", b"{}", key), 400),
        (ask("a body that is not gzip but says so", empty, key, ("Content-Encoding", "gzip")), 400),
        (ask("a route that does not exist", empty, key, to="POST /v1/nothing"), 404),
        (ask("a method that is not served", b"", key, to="GET /v1/batch"), 405),
    ]


def refusal_fault(request: Request, status: int, answer: Answer) -> str | None:
    """Say what about a refusal would make an SDK send the request again, or break on it."""
    said = answer.json()
    if answer.status != status:
        return f"{request.name}: answered {answer.status} instead of {status}"
    if not (isinstance(said.get("code"), str) and isinstance(said.get("message"), str)):
        return f"{request.name}: no code and message: {answer.body[:200]!r}"
    return None


def _spacing(said: dict[str, Any]) -> tuple[str, str]:
    """Return how a recorded body was spaced: the recording holds it parsed, but tells its length before compression."""
    for separators in ((",", ":"), (", ", ": ")):  # as Node and Python do it
        if len(json.dumps(said["body"], separators=separators)) == said["decoded_len"]:
            return separators
    raise ValueError(f"a recorded body of {said['decoded_len']} bytes cannot be rebuilt")
