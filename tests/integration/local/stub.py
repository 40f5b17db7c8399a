"""A service that is ready at once and owes nothing: what the stack needs to see, with a real process behind it.

`KIZUNA_STUB_<NAME>` makes one misbehave: `crash` at the start, `unready`, `lagging`, `stubborn` (ignores SIGTERM).
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAMES = [name.removeprefix("KIZUNA_").removesuffix("_DATABASE_URL") for name in os.environ if "_DATABASE_URL" in name]
NAME = NAMES[0] if NAMES else "ARCHIVE" if "KIZUNA_ARCHIVE_STORE" in os.environ else "INBOX"
MANNER = os.environ.get(f"KIZUNA_STUB_{NAME}", "")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/metrics":
            self.send(200, b"kizuna_archive_unread_records 0.0\n")
            return
        ready = self.path != "/readyz" or MANNER != "unready"
        lag = 7 if MANNER == "lagging" else 0
        self.answer(
            200 if ready else 503, {"items": [], "partitions": [0], "lag": lag, "outbox": 0, "reason": "stub says no"}
        )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(200, {"id": "1", "key": "kz_stub", "source": "local"})

    def answer(self, status: int, body: object) -> None:
        self.send(status, json.dumps(body).encode())

    def send(self, status: int, raw: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


if __name__ == "__main__":
    sys.stdout.write(f"{NAME} starts {MANNER}\n")
    sys.stdout.flush()
    if MANNER == "crash":
        sys.exit("stub crashes as it was told to")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if MANNER == "stubborn" else lambda *_: sys.exit(0))
    ThreadingHTTPServer(("127.0.0.1", int(os.environ[f"KIZUNA_{NAME}_PORT"])), Handler).serve_forever()
