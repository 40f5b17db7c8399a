"""The command line against services that a test plays: real HTTP on loopback, answers by route, requests kept."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.__main__ import main

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass(slots=True)
class Request:
    """What the command line asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class PlayedService:
    """All services in one: `routes` answers `METHOD /path`, a callable is given the request."""

    url: str = ""
    routes: dict[str, Answer | Callable[[Request], Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """Return status, body and headers for a request."""
        self.requests.append(request)
        known = self.routes.get(f"{request.method} {request.path}", (404, {"code": "not_found", "message": "no such"}))
        return known(request) if callable(known) else known


@pytest.fixture
def played() -> Iterator[PlayedService]:
    """A server on a free port that answers as the test says."""
    service = PlayedService(routes={"GET /livez": (200, {})})

    class Handler(BaseHTTPRequestHandler):  # its methods have the names that the library calls
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            place = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            query = {name: values[-1] for name, values in parse_qs(place.query).items()}
            status, said, *headers = service.answer(Request(self.command, place.path, query, dict(self.headers), body))
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**(headers[0] if headers else {}), "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_GET  # noqa: N815 - the library calls them so

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def kizuna(
    played: PlayedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in an empty folder; return exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("INGEST", "HEALTH", "REVENUE", "ALERTS", "ARCHIVE", "INBOX"):
        monkeypatch.setenv(f"KIZUNA_{name}_URL", played.url)
    monkeypatch.setenv("KIZUNA_TOKEN", "a-token")
    monkeypatch.setenv("KIZUNA_WRITE_KEY", "kz_key")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run
